"""Drawing, contact sheets and video files."""

import cv2
import numpy as np
import pytest
import torch

from mmvod_plugins.visualization import (
    VideoWriter,
    contact_sheet,
    count_frames,
    draw_detections,
    draw_saliency,
    frames_per_second,
    read_frames,
    saliency,
    text,
    write_video,
)

GREY = np.full((60, 80, 3), 100, np.uint8)


def test_boxes_are_drawn_on_a_copy():
    drawn = draw_detections(GREY, [[10, 20, 40, 50]], [1], [0.9], ['cat', 'dog'])
    assert (GREY == 100).all()
    assert drawn.shape == GREY.shape
    assert (drawn[50, 15:35] != 100).any(axis=-1).all()
    assert (drawn[30:45, 60:] == 100).all()


@pytest.mark.parametrize('kind', [np.array, torch.tensor, list], ids=['numpy', 'torch', 'list'])
def test_any_kind_of_numbers_can_be_drawn(kind):
    boxes, labels, scores = kind([[1.0, 2.0, 30.0, 40.0]]), kind([0]), kind([0.5])
    assert (draw_detections(GREY, boxes, labels, scores) != 100).any()


@pytest.mark.parametrize('box', [[-500, -500, 900, 900], [70, -20, 200, 10], [5, 5, 5, 5],
                                 [float('nan')] * 4], ids=['larger', 'corner', 'empty', 'nan'])
def test_odd_boxes_do_not_fail(box):
    assert draw_detections(GREY, [box], [99], None, ['cat']).shape == GREY.shape


@pytest.mark.parametrize('name', ['Fußgänger', 'автомобиль', 'λεωφορείο'])
def test_names_in_other_alphabets_are_written(name):
    def drawn(written):
        blank = np.zeros((60, 200, 3), np.uint8)
        return draw_detections(blank, [[2, 30, 90, 50]], [0], [0.5], [written])
    picture = drawn(name)
    assert (picture != drawn('?' * len(name))).any()
    assert (picture != drawn(name[::-1])).any(), 'every character alike: boxes in place of glyphs'
    assert (picture == drawn(name)).all()


def test_a_name_that_no_font_has_is_drawn_as_its_number_with_a_warning(monkeypatch):
    monkeypatch.setattr(text, '_fonts', lambda: [])
    blank = np.zeros((60, 200, 3), np.uint8)
    with pytest.warns(UserWarning, match="no font .* '\U00013080': '1' is drawn .* fonts-noto"):
        picture = draw_detections(blank, [[2, 30, 90, 50]], [1], None, ['a', '\U00013080'])
    assert (picture == draw_detections(blank, [[2, 30, 90, 50]], [1])).all()


@pytest.mark.parametrize('origin', [(-5, 4), (190, 20), (5, 300), (-90, 10), (4, 59)])
def test_text_is_cut_at_the_edges(origin):
    canvas = np.zeros((60, 200, 3), np.uint8)
    text.draw_text(canvas, 'дом', origin, 0.4, (255, 255, 255))
    whole = np.zeros((400, 600, 3), np.uint8)
    text.draw_text(whole, 'дом', (origin[0] + 200, origin[1] + 50), 0.4, (255, 255, 255))
    assert (canvas == whole[50:110, 200:400]).all()


def test_no_boxes_leave_the_frame_as_it_is():
    assert (draw_detections(GREY, np.zeros((0, 4)), [], [], []) == GREY).all()
    assert (draw_detections(GREY, [], []) == GREY).all()


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match='1 boxes, 2 labels and no scores'):
        draw_detections(GREY, [[0, 0, 1, 1]], [0, 1])
    with pytest.raises(ValueError, match=r'\(H, W, 3\)'):
        draw_detections(GREY[..., 0], [], [])


def test_a_contact_sheet_has_rows_and_columns():
    images = [np.full((10, 20, 3), i, np.uint8) for i in range(5)]
    sheet = contact_sheet(images, columns=3, gap=2)
    assert sheet.shape == (22, 64, 3)
    assert (sheet[:10, 44:] == 2).all()
    assert (sheet[12:, :20] == 3).all()
    assert contact_sheet(images[:1], columns=3).shape == (10, 20, 3)


def test_smaller_images_are_centred():
    sheet = contact_sheet([np.zeros((10, 20, 3), np.uint8), np.ones((4, 6, 3), np.uint8)], 2, 0)
    assert (sheet[3:7, 27:33] == 1).all()


@pytest.mark.parametrize(('images', 'columns'), [([], 2), ([GREY], 0)])
def test_an_empty_sheet_is_refused(images, columns):
    with pytest.raises(ValueError, match='needs images and columns'):
        contact_sheet(images, columns)


def test_a_written_video_can_be_read(tmp_path):
    path = tmp_path / 'new' / 'clip.mp4'
    frames = [np.full((48, 64, 3), 40 * i, np.uint8) for i in range(4)]
    assert write_video(path, frames, fps=10) == 4
    video = cv2.VideoCapture(str(path))
    read = [video.read()[1] for _ in range(4)]
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert video.get(cv2.CAP_PROP_FPS) == 10
    assert [round(float(frame.mean()) / 40) for frame in read] == [0, 1, 2, 3]


def test_video_errors_say_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match='no frames'):
        write_video(tmp_path / 'a.mp4', [])
    with pytest.raises(ValueError, match=r'frame 1 is \(48, 60\).*\(60, 80\)'):
        write_video(tmp_path / 'a.mp4', [GREY, GREY[:48, :60]])
    with pytest.raises(ValueError, match=r'ends in \.mp4'):
        write_video(tmp_path / 'a.avi', [GREY])
    with pytest.raises(ValueError, match='uint8'):
        write_video(tmp_path / 'a.mp4', [GREY.astype(float)])
    (tmp_path / 'folder.mp4').mkdir()
    with pytest.raises(OSError, match=r'cannot write .*folder\.mp4'):
        write_video(tmp_path / 'folder.mp4', [GREY])


def test_closing_twice_is_fine(tmp_path):
    writer = VideoWriter(tmp_path / 'a.mp4')
    writer.write(GREY)
    writer.close()
    writer.close()
    assert writer.num_frames == 1


def test_saliency_is_the_norm_over_the_channels():
    maps = torch.zeros(2, 2, 3, 4)
    maps[1, :, 2, 0] = torch.tensor([3.0, -4.0])
    expected = np.zeros((2, 3, 4))
    expected[1, 2, 0] = 5
    assert (saliency(maps) == expected).all()


def test_salient_cells_are_bright_squares_of_the_frame():
    values = np.array([[0.0, 1.0], [2.0, np.inf]])
    picture = draw_saliency(values, (20, 30), low=0, high=2).astype(int).sum(-1)
    cells = picture.reshape(2, 10, 2, 15)
    assert (cells == cells[:, :1, :, :1]).all()
    assert cells[0, 0, 0, 0] < cells[0, 0, 1, 0] < cells[1, 0, 0, 0] == cells[1, 0, 1, 0]


@pytest.mark.parametrize('value', [0.0, 7.0])
def test_a_constant_map_is_drawn_dark(value):
    values = np.full((2, 2), value)
    assert draw_saliency(values, (4, 4), value, value).max() < 10


# Reading -----------------------------------------------------------------------------------------


def test_a_folder_of_images_is_read_in_the_order_of_the_names(tmp_path):
    for t in (2, 0, 1):
        cv2.imwrite(str(tmp_path / f'{t:02d}.PNG'), np.full((4, 6, 3), 10 * t, np.uint8))
    (tmp_path / 'notes.txt').write_text('no frame')
    assert count_frames(tmp_path) == 3
    assert [int(frame[0, 0, 0]) for frame in read_frames(tmp_path)] == [0, 10, 20]
    assert frames_per_second(tmp_path) == 25.0


def test_numbers_in_names_count_as_numbers_and_hidden_files_are_omitted(tmp_path):
    for t in (0, 1, 2, 10, 11):
        cv2.imwrite(str(tmp_path / f'frame {t}.png'), np.full((4, 6, 3), 10 * t, np.uint8))
    (tmp_path / '._frame 0.png').write_bytes(b'Mac OS X')
    assert count_frames(tmp_path) == 5
    assert [int(frame[0, 0, 0]) for frame in read_frames(tmp_path)] == [0, 10, 20, 100, 110]


@pytest.mark.parametrize('broken', [0, 1, 2])
def test_an_image_that_cannot_be_read_is_a_grey_frame(tmp_path, broken):
    for t in range(3):
        cv2.imwrite(str(tmp_path / f'{t}.png'), np.full((4, 6, 3), t, np.uint8))
    (tmp_path / f'{broken}.png').write_bytes(b'')
    with pytest.warns(UserWarning, match=f'{broken}.png cannot be read .* grey frame'):
        frames = list(read_frames(tmp_path))
    assert {frame.shape for frame in frames} == {(4, 6, 3)}
    assert [int(frame[0, 0, 0]) for frame in frames] == [
        114 if t == broken else t for t in range(3)]


def test_what_holds_no_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match='contains no image'):
        count_frames(tmp_path)
    (tmp_path / 'a.png').write_bytes(b'no image')
    with pytest.raises(OSError, match=r'none of the 1 images .*a.png'):
        list(read_frames(tmp_path))
    with pytest.raises(ValueError, match='no frame that opencv can decode'):
        count_frames(tmp_path / 'a.png')
    with pytest.raises(FileNotFoundError):
        count_frames(tmp_path / 'none.mp4')
