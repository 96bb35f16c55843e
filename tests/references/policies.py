"""Every policy, in a few settings: what the law tests run over."""

from mmvod_plugins.references import (
                                      CausalWindow,
                                      CentredWindow,
                                      ComposedReferences,
                                      GlobalReservoir,
                                      GlobalShuffle,
                                      InterleavedWindows,
                                      KeyFrameInterval,
                                      KeyFrameOnly,
                                      LocalWindow,
                                      PrecedingWindow,
                                      TrainTestReferences,
                                      UniformStride,
)

POLICIES = {
    'key_only': KeyFrameOnly(),
    'window': LocalWindow(2),
    'one_sided': LocalWindow((3, 1), stride=2, num_samples=3, sample_key=True),
    'preceding': PrecedingWindow(distance=4, radius=2),
    'shuffle': GlobalShuffle(3, seed=5),
    'uniform': UniformStride(4),
    'uniform_and_key': UniformStride(4, append_key=True),
    'bilateral': LocalWindow(2, stride=2, num_samples=4, bilateral=True),
    'cut': LocalWindow(3, outside='cut', sample_key=True),
    'train_test': TrainTestReferences(LocalWindow(9, bilateral=True), UniformStride(3)),
    'train_test_window': TrainTestReferences(UniformStride(3), LocalWindow(2)),
    'interleaved': InterleavedWindows(3, 2, num_samples=2),
    'centred': CentredWindow(3, 2, num_samples=4),
    'train_test_interleaved': TrainTestReferences(InterleavedWindows(3, 2), KeyFrameOnly()),
    'causal': CausalWindow(4),
    'interval': KeyFrameInterval(4),
    'interval_around': KeyFrameInterval(3, sample_range=(-2, 5), sample_key=False),
    'reservoir': GlobalReservoir(3, seed=2),
    'mega': ComposedReferences([LocalWindow(2), GlobalShuffle(3), PrecedingWindow(4, 2)]),
    'online_mega': ComposedReferences([CausalWindow(5), GlobalReservoir(3), PrecedingWindow(4, 2)]),
}
LIVE = ('key_only', 'window', 'cut', 'one_sided', 'preceding', 'bilateral', 'train_test_window',
        'interleaved', 'centred', 'train_test_interleaved', 'causal', 'interval',
        'interval_around', 'reservoir', 'online_mega')
