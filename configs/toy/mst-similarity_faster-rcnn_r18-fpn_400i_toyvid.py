_base_ = './mst_faster-rcnn_r18-fpn_400i_toyvid.py'
# The instance level, in half of the training frames, works by similarity, as it does in testing.
instance = dict(similarity_share=0.5)
model = dict(detector=dict(roi_head=dict(aggregator=dict(aggregators=dict(instance=instance)))))
