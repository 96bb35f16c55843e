"""What frames can come from."""

import cv2
import numpy as np
import pytest

from mmvod_plugins.apis import open_sources, sources
from mmvod_plugins.visualization import write_video


def frames(count=3, shape=(48, 64)):
    return [np.full((*shape, 3), 40 * i, np.uint8) for i in range(count)]


@pytest.fixture
def files(tmp_path):
    """Two videos with odd names, a folder of images, one of videos."""
    for name in ('a clip, "1".mp4', '視頻 10.mp4'):
        write_video(tmp_path / 'videos' / name, frames())
    for i in (1, 2, 10):
        (tmp_path / 'images').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / 'images' / f'{i}.png'), np.full((48, 64, 3), i, np.uint8))
    (tmp_path / 'videos' / 'notes.md').write_text('x')
    return tmp_path


def summary(inputs):
    """Name, length and first values of the frames of every source."""
    return [(source.name, source.length(), [int(f[0, 0, 0]) for f in source.frames()])
            for source in open_sources(inputs)]


VIDEOS = ['a clip, "1".mp4', '視頻 10.mp4']
IMAGES = ('images', 3, [1, 2, 10])


def test_files_and_folders(files):
    assert [name for name, *_ in summary(files / 'videos')] == VIDEOS
    [(name, length, values)] = summary(str(files / 'videos' / VIDEOS[1]))
    assert (name, length) == (VIDEOS[1], 3)
    assert np.allclose(values, [0, 40, 80], atol=6)  # the codec is lossy
    assert summary(files / 'images') == [IMAGES]
    assert [name for name, *_ in summary(files)] == ['images']  # videos are one level deeper
    assert summary(files / 'images' / '10.png') == [('10.png', 1, [10])]


def test_patterns_lists_and_text_files(files):
    assert [name for name, *_ in summary(str(files / '**' / '*.mp4'))] == VIDEOS
    assert summary(str(files / 'images' / '*.png')) == [IMAGES]
    images = [files / 'images' / f'{i}.png' for i in (10, 1)]
    assert summary(images) == [('images', 2, [10, 1])]  # in the order of the list
    assert [name for name, *_ in summary([files / 'videos' / VIDEOS[1], files / 'images'])] == [
        VIDEOS[1], 'images']
    listed = files / 'list.txt'
    listed.write_text(f'# mine\nvideos/{VIDEOS[0]}\n\nimages\n', encoding='utf-8-sig')
    assert [name for name, *_ in summary(listed)] == [VIDEOS[0], 'images']


def test_two_videos_of_one_name_are_told_apart(files):
    write_video(files / 'more' / VIDEOS[0], frames())
    found = [files / 'videos' / VIDEOS[0], files / 'more' / VIDEOS[0]]
    assert [source.name for source in open_sources(found)] == list(map(str, found))


def test_arrays_and_generators():
    assert summary(frames()) == summary(np.stack(frames())) == [('frames', 3, [0, 40, 80])]
    [source] = open_sources(iter(frames()))
    assert (source.length, source.expected, source.replayable) == (None, None, False)
    assert len(list(source.frames())) == 3


class Camera:
    """Stands for cv2.VideoCapture of a camera that gives some frames."""

    opened, count = None, 2

    def __init__(self, address):
        self.opened.append(address)
        self.left = self.count

    def isOpened(self):
        return self.count is not None

    def read(self):
        self.left -= 1
        return self.left >= 0, frames(1)[0]

    def release(self):
        self.opened.append('released')


@pytest.mark.parametrize(('given', 'address'), [
    (0, 0), ('1', 1), ('rtsp://host/stream', 'rtsp://host/stream'),
    ('http://host/clip.mp4', 'http://host/clip.mp4')])
def test_cameras_and_addresses_are_live(monkeypatch, given, address):
    monkeypatch.setattr(sources.cv2, 'VideoCapture', Camera)
    monkeypatch.setattr(Camera, 'opened', [])
    [source] = open_sources(given)
    assert (source.live, source.replayable, source.length) == (True, False, None)
    assert Camera.opened == []  # not before it is read
    with pytest.warns(UserWarning, match='gives no more frames after 2'):
        assert len(list(source.frames())) == 2
    assert Camera.opened == [address, 'released']
    monkeypatch.setattr(Camera, 'count', 0)
    with pytest.raises(OSError, match='gives no frame'):
        list(source.frames())
    monkeypatch.setattr(Camera, 'count', None)
    with pytest.raises(OSError, match='cannot be opened: is it connected'):
        list(source.frames())


@pytest.mark.parametrize(('make', 'error', 'message'), [
    (lambda f: f / 'none.mp4', FileNotFoundError, r'none\.mp4 does not exist'),
    (lambda f: str(f / '*.avi'), FileNotFoundError, r'no file fits the pattern .*\*\.avi'),
    (lambda f: [f / 'images', f / 'none'], FileNotFoundError, 'none does not exist'),
    (lambda f: f / 'empty', ValueError, 'contains neither images'),
    (lambda f: f / 'videos' / 'notes.md', ValueError, 'no frame that opencv can decode'),
    (lambda f: f / 'blank.txt', ValueError, 'names no file'),
    (lambda f: f / 'sizes', ValueError, r'different sizes .* \[\(40, 40\), \(44, 40\)\]'),
    (lambda f: [], TypeError, 'cannot read frames from'),
    (lambda f: None, TypeError, 'cannot read frames from None'),
    (lambda f: [3, 4], TypeError, 'got a int at its start'),
])
def test_what_is_no_source_is_said(files, make, error, message):
    (files / 'empty').mkdir()
    (files / 'blank.txt').write_text('\n# nothing\n')
    (files / 'sizes').mkdir()
    for i, size in enumerate((40, 44)):
        cv2.imwrite(str(files / 'sizes' / f'{i}.png'), np.zeros((size, 40, 3), np.uint8))
    with pytest.raises(error, match=message):
        open_sources(make(files))


def test_images_that_exif_turns_have_the_size_that_is_read(tmp_path):
    """Phones store landscape pixels and the word that they are upright."""
    from PIL import Image
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (64, 48)).save(tmp_path / '1.jpg', exif=exif)
    Image.new('RGB', (48, 64)).save(tmp_path / '2.jpg')
    [source] = open_sources(tmp_path)
    assert {frame.shape for frame in source.frames()} == {(64, 48, 3)}
