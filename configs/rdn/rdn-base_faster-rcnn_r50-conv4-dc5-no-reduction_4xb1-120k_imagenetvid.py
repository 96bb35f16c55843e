_base_ = './rdn-base_faster-rcnn_r50-conv4-dc5_4xb1-120k_imagenetvid.py'
# Stage 1 of the R-50 RDN, whose published form does not reduce conv5 to 256 channels.
roi_head = dict(bbox_roi_extractor=dict(out_channels=None), embedding=dict(in_channels=2048))
model = dict(detector=dict(roi_head=roi_head))
