# Every frame is detected in one window, in whose middle it is: trained alike, tested faster.
_base_ = './stmn_rfcn_r101_4xb1-40k_imagenetvid.py'
model = dict(references=dict(type='CentredWindow'))
