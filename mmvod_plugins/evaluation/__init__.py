"""Evaluation of video detectors."""
