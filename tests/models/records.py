"""Records of frames for tests of parts."""

from mmvod_plugins.structures import FramePlan, FrameRecord, place_of


def record_of(sample, maps=None, objects=None, **extras):
    """A record of a frame with everything that a plan asks for by default."""
    return FrameRecord(place_of(sample), FramePlan(), sample, maps, objects, extras)
