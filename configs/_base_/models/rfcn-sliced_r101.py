# R-FCN of OGEMN (section 4.1), FGFA and DFF: one map after a dilated conv5, reduced from 2048 to
# 1024 channels; its first half is the RPN's, its second half the RoI head's. 9 anchors.
_base_ = './rfcn_r101.py'

model = dict(
    detector=dict(
        backbone=dict(out_indices=(3, )),
        neck=dict(
            _delete_=True,
            type='SlicedNeck',
            in_channels=2048,
            out_channels=1024,
            dilation=6,
            num_slices=2),
        rpn_head=dict(in_channels=512, anchor_generator=dict(scales=[8, 16, 32])),
        roi_head=dict(in_channels=512, reduction=False)))
# Deformable convolutions in the three blocks of conv5, as in the paper of DCN; for -dcn configs.
deformable = dict(
    dcn=dict(type='DCN', deform_groups=4, fallback_on_stride=False),
    stage_with_dcn=(False, False, False, True))
