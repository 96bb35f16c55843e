# The paper's formulas where the program has others.
_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
model = dict(
    temporal_neck=dict(
        cell=dict(
            alignment=dict(affinity='dot', detach=False), all_elements=True, detach_bound=False)))
