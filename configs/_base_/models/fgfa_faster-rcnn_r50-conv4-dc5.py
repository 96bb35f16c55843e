# FGFA as mega.pytorch has it: 19 frames, conv4 warped at its own size together with its embedding
# (in training warped maps are embedded), the key frame warped as all others.
_base_ = ['./faster-rcnn_r50-conv4-dc5.py']

flownet = 'https://download.openmmlab.com/mmtracking/pretrained_weights/flownet_simple.pth'
model = dict(
    references=dict(type='LocalWindow', radius=9, num_samples=2),
    temporal_neck=dict(
        type='FGFANeck',
        channels=1024,
        embed_layers=[(512, 1), (512, 3), (2048, 1)],
        embed='before',
        train_embed='after',
        warp_key='all',
        grid='mega.pytorch',
        # fed BGR with the mean subtracted, as the detector
        motion=dict(
            type='FlowNetSimple',
            channel_order='bgr',  # minus the detector's own mean
            input_mean=[102.9801 / 255, 115.9465 / 255, 122.7717 / 255],
            downsample='average',
            output='stride_16',
            decoder_bias=True,
            init_cfg=dict(type='Pretrained', checkpoint=flownet))))
