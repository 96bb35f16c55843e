_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
model = dict(references=dict(num_frames=15))
