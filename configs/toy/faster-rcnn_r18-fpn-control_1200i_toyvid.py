_base_ = './faster-rcnn_r18-fpn_1200i_toyvid.py'
# The static detector trained on, all of it, from its checkpoint: the control of the methods. It
# sees as many frames as MEGA (400 iterations of 4 clips of 6 frames), each with a loss.
