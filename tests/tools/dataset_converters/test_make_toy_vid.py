"""ToyVID: same bytes whatever the circumstances, degradations that do what they say."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from check_coco_vid import check_coco_vid
from ilsvrc2coco_det import convert_stills
from ilsvrc2coco_vid import convert_videos
from ilsvrc_check import check_tree
from make_toy_vid import build_parser, build_spec, main
from toy_vid import tree
from toy_vid.plan import plan_video
from toy_vid.render import Frame, render_frame
from toy_vid.spec import (
    CONDITIONS,
    DEGRADATIONS,
    SHAPES,
    SPEEDS,
    TEXTURES,
    TOY_CATEGORIES,
    TOY_CLASSES,
    VERSION,
    Difficulty,
    Level,
    ToyVidSpec,
)
from toy_vid.sprites import detail
from toy_vid.tree import ToyVidError, write_tree

SPEC = ToyVidSpec(train_videos=2, val_videos=1, stills=2, frames=5, size=(48, 64), seed=3)
CALM = Difficulty(camera_motion=Level(0, 1, 1), distractors=Level(0, 1, 1), degraded_fraction=0,
                  val_degraded_fraction=0)


def files(root):
    """Bytes of every file by its path, hidden ones too."""
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob('*') if path.is_file()}


def plan_with(name, seed=0, size=(96, 128), **changes):
    """A one-frame video under one degradation of strength 1."""
    plan = plan_video(dataclasses.replace(CALM, **changes), size, 1, np.random.default_rng(seed))
    return dataclasses.replace(plan, degradations=({name: 1.0} if name else {},))


@pytest.fixture(scope='module')
def toy(tmp_path_factory):
    root = tmp_path_factory.mktemp('toy')
    write_tree(root, SPEC, workers=1)
    return root


def test_number_of_workers_changes_no_byte(toy, tmp_path):
    write_tree(tmp_path / 'out', SPEC, workers=2)
    assert files(tmp_path / 'out') == files(toy)


def test_another_seed_gives_other_frames(toy, tmp_path):
    write_tree(tmp_path / 'out', dataclasses.replace(SPEC, seed=4), workers=1)
    name = 'Data/VID/val/ILSVRC2015_val_00000000/000000.JPEG'
    assert (tmp_path / 'out' / name).read_bytes() != (toy / name).read_bytes()


def test_interrupted_run_goes_on_and_ends_equal(toy, tmp_path, monkeypatch):
    calls = []

    def render_some(plan, frame_id):
        calls.append(frame_id)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return render_frame(plan, frame_id)

    monkeypatch.setattr(tree, 'render_frame', render_some)
    with pytest.raises(KeyboardInterrupt):
        write_tree(tmp_path, SPEC, workers=1)
    assert not (tmp_path / 'annotations').exists()
    monkeypatch.undo()
    assert write_tree(tmp_path, SPEC, workers=1) == 4
    assert files(tmp_path) == files(toy)
    assert write_tree(tmp_path, SPEC, workers=1) == 0


def test_other_settings_in_the_folder_are_refused(toy):
    with pytest.raises(ToyVidError, match='seed is 3, asked for 9'):
        write_tree(toy, dataclasses.replace(SPEC, seed=9), workers=1)


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / 'thesis.txt').write_text('mine')
    with pytest.raises(ToyVidError, match='not empty'):
        write_tree(tmp_path, SPEC, workers=1)
    assert files(tmp_path) == {'thesis.txt': b'mine'}


def test_json_equals_what_the_converters_make_of_the_tree(toy):
    for split in ('train', 'val'):
        content = json.loads((toy / f'annotations/toy_vid_{split}.json').read_text())
        assert content.pop('info')['version'] == f'{VERSION}'
        assert all(image.pop('degradations') is not None for image in content['images'])
        assert all(video.pop('conditions')['speed'] in SPEEDS for video in content['videos'])
        rule = 'mmtracking' if split == 'train' else None
        entries = tree_entries(toy, split)
        assert content == convert_videos(toy, entries, rule, TOY_CATEGORIES)
    content = json.loads((toy / 'annotations/toy_det.json').read_text())
    content.pop('info')
    names = [image['file_name'].removesuffix('.JPEG') for image in content['images']]
    assert content == convert_stills(toy, names, list(TOY_CATEGORIES))


def tree_entries(root, split):
    from ilsvrc import load_videos, videos_of_tree
    listed, found = load_videos(root, split), videos_of_tree(root, split)
    assert listed == found
    return listed


def test_tree_passes_check_and_validator(toy):
    result = check_tree(toy, ('train', 'val', 'det'), {})
    assert result.problems == []
    assert result.counts['train']['frames'] == 10
    for name, part in (('toy_vid_train', 'VID'), ('toy_vid_val', 'VID'), ('toy_det', 'DET')):
        content = json.loads((toy / f'annotations/{name}.json').read_text())
        assert check_coco_vid(content, toy / 'Data' / part) == []


def test_record_of_a_video_tells_what_happens(toy):
    name = 'val/ILSVRC2015_val_00000000'
    record = json.loads((toy / f'degradations/VID/{name}.json').read_text())
    content = json.loads((toy / 'annotations/toy_vid_val.json').read_text())
    assert record['version'] == VERSION
    assert record['name'] == name
    assert [frame['degradations'] for frame in record['frames']] == [
        image['degradations'] for image in content['images']]
    assert all(item['speed'] in SPEEDS for item in record['objects'])


@pytest.mark.parametrize('name', DEGRADATIONS)
def test_degradation_changes_pixels_and_is_recorded(name):
    plan = plan_with(name, seed=1)
    degraded, clean = (render_frame(video, 0) for video in (plan, plan.without_degradations()))
    assert degraded.degradations == {name: 1.0}
    assert clean.degradations == {}
    assert np.abs(degraded.image.astype(int) - clean.image).max() > 40


@pytest.mark.parametrize('name', DEGRADATIONS)
def test_option_of_a_degradation_makes_it_the_only_one(name):
    others = [f'--{other.replace("_", "-")}=0' for other in DEGRADATIONS if other != name]
    option = f'--{name.replace("_", "-")}=1:0.9:0.9'
    spec = build_spec(build_parser().parse_args(['out', option, '--degraded-fraction=1', *others]))
    plan = plan_video(spec.difficulty, (64, 64), 40, np.random.default_rng(0))
    strengths = {strength for item in plan.degradations for strength in item.values()}
    assert {kind for item in plan.degradations for kind in item} == {name}
    assert strengths == {0.9, 0.54}
    assert spec.to_dict()['version'] == f'{VERSION}-custom'


@pytest.mark.parametrize('name', CONDITIONS)
def test_condition_changes_pixels_and_is_recorded(name):
    for weight in (0.0, 1.0):
        difficulty = dataclasses.replace(CALM, **{name: Level(weight, 1, 1)})
        plan = plan_video(difficulty, (96, 128), 3, np.random.default_rng(2))
        assert (name in plan.conditions) == bool(weight)
    still = dataclasses.replace(plan, camera=0 * plan.camera, distractors=())
    difference = np.abs(render_frame(plan, 2).image.astype(int) - render_frame(still, 2).image)
    assert difference.max() > 20


def motion_iou(path, diameter):
    """Mean IoU of a square with itself in the 10 frames before and after."""
    shift = np.abs(path[:, None] - path[None])
    overlap = np.prod(np.maximum(diameter - shift, 0), axis=2)
    near = np.abs(np.subtract.outer(range(len(path)), range(len(path))))
    return (overlap / (2 * diameter**2 - overlap))[(near > 0) & (near <= 10)].mean()


@pytest.mark.parametrize(('speed', 'low', 'high'), [
    ('slow', 0.9, 1.0), ('medium', 0.7, 0.9), ('fast', 0.0, 0.7)])
def test_speed_gives_the_motion_iou_of_its_class(speed, low, high):
    weights = {name: float(name == speed) for name in SPEEDS}
    for seed in range(20):
        plan = plan_video(dataclasses.replace(CALM, **weights), (128, 160), 40,
                          np.random.default_rng(seed))
        assert plan.conditions == {'speed': speed}
        for item in plan.objects:
            assert low <= motion_iou(item.path, item.diameter) <= high


def test_two_thirds_of_the_frames_are_degraded():
    plans = [plan_video(Difficulty(), (64, 64), 32, np.random.default_rng(i)) for i in range(200)]
    flags = np.array([[bool(item) for item in plan.degradations] for plan in plans])
    assert 0.6 < flags.mean() < 0.7
    assert (~flags).any(axis=1).mean() > 0.99
    counts = {name: sum(name in item for plan in plans for item in plan.degradations)
              for name in DEGRADATIONS}
    assert min(counts.values()) > 200


@pytest.mark.parametrize('fraction', [0.0, 0.2, 1.0])
def test_share_of_degraded_frames_is_an_option(fraction):
    difficulty = dataclasses.replace(Difficulty(), degraded_fraction=fraction)
    plans = [plan_video(difficulty, (64, 64), 60, np.random.default_rng(i)) for i in range(60)]
    share = np.mean([bool(item) for plan in plans for item in plan.degradations])
    assert share == pytest.approx(fraction, abs=0.05 if 0 < fraction < 1 else 0)


def test_validation_frames_have_a_share_of_their_own():
    difficulty = Difficulty(degraded_fraction=0.2, val_degraded_fraction=0.9)
    assert difficulty.of_split('train') == difficulty
    assert difficulty.of_split('val').degraded_fraction == 0.9
    spec = build_spec(build_parser().parse_args(['out', '--val-degraded-fraction=0.5']))
    assert spec.difficulty == dataclasses.replace(Difficulty(), val_degraded_fraction=0.5)


def test_share_of_a_split_reaches_its_frames(tmp_path):
    spec = dataclasses.replace(
        SPEC, difficulty=dataclasses.replace(CALM, max_objects=1, val_degraded_fraction=1))
    write_tree(tmp_path, spec, workers=1)
    for split, degraded in (('train', False), ('val', True)):
        images = json.loads((tmp_path / f'annotations/toy_vid_{split}.json').read_text())['images']
        assert {bool(image['degradations']) for image in images} == {degraded}


def test_classes_are_textures_of_each_shape():
    for i, name in enumerate(TOY_CLASSES):
        assert name == f'{TEXTURES[i // len(SHAPES)]}_{SHAPES[i % len(SHAPES)]}'
    assert list(TOY_CLASSES) == sorted(TOY_CLASSES)
    assert [item['id'] for item in TOY_CATEGORIES] == list(range(1, 13))


@pytest.mark.parametrize('name', ['defocus', 'partial_occlusion', 'full_occlusion', 'rare_pose'])
def test_degraded_frame_does_not_tell_the_textures_apart(name):
    differences = {}
    for kind in ('', name):
        plan = plan_with(kind, seed=6, max_objects=1)
        images = []
        for texture in TEXTURES:
            item = dataclasses.replace(plan.objects[0], texture=texture)
            images.append(render_frame(dataclasses.replace(plan, objects=(item,)), 0).image)
        differences[kind] = np.std(images, axis=0).mean()
    assert differences[name] < 0.25 * differences['']


@pytest.mark.parametrize('texture', TEXTURES)
def test_textures_have_the_same_mean(texture):
    phases = np.random.default_rng(0).random((20, 2))
    found = [detail(texture, tuple(phase)).mean(axis=(0, 1)) for phase in phases]
    np.testing.assert_allclose(np.mean(found, axis=0), 0, atol=5)


def test_hidden_object_is_not_annotated():
    plan = plan_with('full_occlusion', max_objects=1)
    covered = dataclasses.replace(plan.objects[0], plate=np.zeros((1, 3)))
    plan = dataclasses.replace(plan, objects=(covered,), degradations=({'full_occlusion': 2.0},))
    assert render_frame(plan, 0).objects == ()


def test_occlusion_sets_the_flag_and_keeps_the_whole_box():
    plan = plan_with('partial_occlusion', seed=1, max_objects=1)
    hidden, clear = (render_frame(video, 0) for video in (plan, plan.without_degradations()))
    assert hidden.objects[0].occluded
    assert not clear.objects[0].occluded
    assert hidden.objects[0].box == clear.objects[0].box


@pytest.mark.parametrize('size', [(32, 32), (33, 200), (300, 90)])
def test_any_size_is_drawn(size):
    plan = plan_video(Difficulty(), size, 3, np.random.default_rng(0))
    frame = render_frame(plan, 1)
    assert isinstance(frame, Frame)
    assert frame.image.shape == (*size, 3)
    for item in frame.objects:
        x1, y1, x2, y2 = item.box
        assert 0 <= x1 < x2 <= size[1] - 1
        assert 0 <= y1 < y2 <= size[0] - 1


def test_frame_depends_on_no_other_frame():
    plan = plan_video(Difficulty(), (48, 48), 6, np.random.default_rng(5))
    forward = [render_frame(plan, i).image for i in range(6)]
    backward = [render_frame(plan, i).image for i in reversed(range(6))][::-1]
    np.testing.assert_array_equal(forward, backward)


def look():
    """Rounded statistics of an object under everything: mean, spread and edges by channel."""
    rows = []
    for i, name in enumerate(('', *DEGRADATIONS)):
        plan = plan_video(Difficulty(camera_motion=Level(1, 1, 1), distractors=Level(1, 1, 1)),
                          (96, 96), 1, np.random.default_rng(i))
        item = dataclasses.replace(plan.objects[0], path=np.array([[48.0, 48.0]]))
        plan = dataclasses.replace(plan, objects=(item, *plan.objects[1:]),
                                   degradations=({name: 1.0} if name else {},))
        image = render_frame(plan, 0).image[24:72, 24:72].astype(float)
        values = (image.mean(axis=(0, 1)), image.std(axis=(0, 1)),
                  np.abs(np.diff(image, axis=0)).mean(axis=(0, 1)))
        rows.append(np.concatenate(values).round(1).tolist())
    return rows


PINNED = {
    'toyvid-v3': ('428baac710393063', [
        [83.5, 80.4, 150.1, 67.5, 65.7, 83.3, 18.0, 15.8, 21.9],
        [87.4, 102.2, 125.2, 26.9, 28.0, 40.8, 5.2, 5.7, 5.9],
        [91.8, 118.6, 118.8, 15.2, 34.0, 21.6, 1.5, 2.9, 2.4],
        [88.6, 83.5, 99.9, 14.8, 21.3, 31.6, 5.5, 6.0, 8.7],
        [88.0, 92.2, 91.0, 16.5, 18.7, 16.7, 5.7, 6.8, 6.1],
        [75.2, 76.0, 93.2, 33.0, 17.9, 35.4, 7.7, 4.5, 6.2],
        [66.8, 96.3, 98.1, 34.7, 30.5, 38.4, 10.7, 9.7, 11.3],
    ])
}


def test_difficulty_changes_its_name_when_it_changes():
    """If this fails, what is drawn has changed: give ``VERSION`` a new name and pin that."""
    defaults, rows = PINNED[VERSION]
    text = json.dumps(dataclasses.asdict(Difficulty()), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == defaults
    np.testing.assert_allclose(look(), rows, rtol=0, atol=0.3)


@pytest.mark.parametrize(('options', 'message'), [
    (['--size', '8', '8'], 'at least 32'),
    (['--frames', '0'], 'frames is 0'),
    (['--train-videos', '-1'], 'train_videos is -1'),
    (['--defocus', 'often'], "'often' is not of the form"),
    (['--defocus', '1:2:1'], 'the first strength is the smaller'),
    (['--degraded-fraction', '1.5'], 'degraded_fraction is 1.5'),
    (['--val-degraded-fraction', '-1'], 'val_degraded_fraction is -1'),
    (['--camera-motion', '2'], 'share of the videos'),
    (['--speeds', '0', '0', '0'], 'one must be above 0'),
    (['--max-objects', '4'], 'max_objects is 4'),
    (['--quality', '0'], 'quality is 0'),
    ([f'--{name.replace("_", "-")}=0' for name in DEGRADATIONS], 'have weight 0'),
])
def test_impossible_options_are_explained(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main([str(tmp_path / 'out'), *options])
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_script_renders_and_refuses(tmp_path, run_tool):
    options = ('--train-videos', 1, '--val-videos', 0, '--stills', 0, '--frames', 2, '--size', 40,
               48)
    done = run_tool('make_toy_vid.py', tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert f'{VERSION}, 1 videos' in done.stdout
    again = run_tool('make_toy_vid.py', tmp_path, *options, '--seed', 1)
    assert again.returncode == 1
    assert 'seed is 0, asked for 1' in again.stderr
