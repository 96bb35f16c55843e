_base_ = './mega_faster-rcnn_r18-fpn_400i_toyvid.py'
# MEGA's base model: the window and global frames, no long-range memory.
model = dict(references=dict(policies=dict(memory=None)),
             detector=dict(roi_head=dict(aggregator=dict(memory_size=0))))
