# DFF as mega.pytorch has it: conv4 of one frame in ten, warped and scaled, that frame's own too.
_base_ = ['./faster-rcnn_r50-conv4-dc5.py']

flownet = 'https://download.openmmlab.com/mmtracking/pretrained_weights/flownet_simple.pth'
model = dict(
    references=dict(type='KeyFrameInterval', interval=10, sample_range=[-9, 0]),
    temporal_neck=dict(
        type='DFFNeck',
        warp_self=True,
        warp_stills=True,
        grid='mega.pytorch',
        # fed BGR with the mean subtracted, as the detector
        motion=dict(
            type='FlowNetSimple',
            channel_order='bgr',  # minus the detector's own mean
            input_mean=[102.9801 / 255, 115.9465 / 255, 122.7717 / 255],
            downsample='average',
            output='stride_16',
            decoder_bias=True,
            scale_channels=1024,
            init_cfg=dict(type='Pretrained', checkpoint=flownet))))
