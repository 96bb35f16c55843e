_base_ = './mega_faster-rcnn_r101-conv4-dc5_4xb1-120k_imagenetvid.py'
# Table 4, N_g = 4, N_l = 0, T_l = 1 (the key frame alone) and T_g = 25: 81.8 mAP (MEGA: 82.9).
aggregator = dict(num_global_stages=4, num_local_stages=0, num_result_stages=0, memory_size=0)
model = dict(
    references=dict(_delete_=True, type='GlobalShuffle', num_frames=25, num_samples=2),
    detector=dict(roi_head=dict(aggregator=aggregator)))
