_base_ = './rfcn_r101_4xb1-120k_imagenetvid.py'
# Bilinear samples in bins that are not rounded, in place of the published pooling.
model = dict(detector=dict(roi_head=dict(bbox_roi_extractor=dict(type='PSRoIAlign'))))
