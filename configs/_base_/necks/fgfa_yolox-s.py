# FGFA on the maps of YOLOX-s: 128 channels.
_base_ = './fgfa_fpn.py'

temporal_parts = dict(temporal_neck=dict(channels=128, embed_layers=[(128, 3)]))
