_base_ = ['../mega/mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py',
          '../_base_/necks/mst_conv4.py', '../_base_/aggregators/mst.py']
# Table 5 (l): MEGA with alignment, frame and instance level, 83.6 mAP (MEGA: 82.9).
levels = dict(mega=dict(_base_.model.detector.roi_head.aggregator),
              instance=_base_.mst_levels.aggregators.instance)
aggregator = dict(_delete_=True, type='ChainedAggregator', order=['mega', 'instance'],
                  aggregators=levels)
model = dict(temporal_neck=_base_.temporal_parts.temporal_neck,
             detector=dict(roi_head=dict(aggregator=aggregator)))
