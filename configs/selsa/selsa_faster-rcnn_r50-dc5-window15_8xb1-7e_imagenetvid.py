_base_ = './selsa_faster-rcnn_r50-dc5_8xb1-7e_imagenetvid.py'
# Testing with a fixed stride: the 7 frames before and after the key frame, and itself.
model = dict(references=dict(
    testing=dict(_delete_=True, type='LocalWindow', radius=7, stride=1)))
