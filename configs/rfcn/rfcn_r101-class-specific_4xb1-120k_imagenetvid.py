_base_ = './rfcn_r101_4xb1-120k_imagenetvid.py'
# A box for each class; the first stage's box maps do not fit and start anew.
model = dict(detector=dict(roi_head=dict(bbox_head=dict(
    reg_class_agnostic=False, reg_background=False))))
