"""The page in a real browser: from the disk, by keyboard, without the network."""

import csv
import io
import json
import shutil
from urllib.parse import unquote, urlparse

import cv2
import numpy as np
import pytest

from mmvod_plugins.cli import main
from mmvod_plugins.evaluation import Predictions
from mmvod_plugins.page import save_references
from mmvod_plugins.results import read_results, write_results
from mmvod_plugins.structures import VideoDetections
from mmvod_plugins.visualization import write_video
from tests.datasets.tiny_vid import make_tiny_vid

from .browser import Browser, find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None, reason='no Chromium is installed')
NASTY = '<img src=x onerror=alert(1)>"\u2028é'


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """Two runs of two videos, one of which has every other frame only; a video has a nasty name."""
    folder = tmp_path_factory.mktemp('browser é #1 %')
    content = json.loads(make_tiny_vid(folder, (14, 5)).read_text())
    content['videos'][1]['name'] = NASTY
    (folder / 'val.json').write_text(json.dumps(content))
    frames = {image['id']: image['frame_id'] for image in content['images']}
    for name, step in (('all', 1), ('half', 2)):
        (folder / f'{name}.json').write_text(json.dumps([
            dict(image_id=a['image_id'], category_id=a['category_id'], bbox=a['bbox'],
                 score=0.5 + 0.03 * frames[a['image_id']])
            for a in content['annotations'] if frames[a['image_id']] % step == 0]))
    save_references(folder / 'r.json', {1: {1: [(0, 'local', 0.75), (4, 'global', 0.25)]}})
    assert main(['page', f'all={folder / "all.json"}', f'half={folder / "half.json"}',
                 '--annotations', str(folder / 'val.json'), '--images', str(folder), '--out',
                 str(folder / 'page'), '--references', f'half={folder / "r.json"}']) == 0
    return (folder / 'page' / 'index.html').as_uri()


@pytest.fixture(scope='module')
def chromium():
    browser = Browser(find_chromium())
    yield browser
    browser.close()
    assert browser.requests
    assert all(
        address.startswith(('file:', 'data:', 'about:', 'blob:')) for address in browser.requests)


@pytest.fixture
def browser(chromium, page):
    """The page, opened anew; nothing was asked of the network, and no script failed."""
    chromium.open(page)
    shown(chromium, 0, 0)
    yield chromium
    assert not chromium.errors


def shown(browser, video, frame):
    browser.wait(f'document.body.dataset.drawn === "{video}:{frame}"')


def text(browser, selector):
    return browser.run(f'document.querySelector({selector!r}).textContent')


def test_keys_step_exactly(browser):
    for key, shift, frame in (('ArrowRight', False, 1), ('ArrowRight', True, 11),
                              ('End', False, 13), ('ArrowRight', False, 13),
                              ('ArrowLeft', False, 12), ('ArrowLeft', True, 2),
                              ('Home', False, 0), ('ArrowLeft', False, 0)):
        browser.press(key, shift)
        shown(browser, 0, frame)
    browser.press('PageDown')
    shown(browser, 1, 0)
    named = 'document.getElementById("videos").selectedOptions[0].textContent'
    assert browser.run(named).startswith(NASTY)
    browser.press('PageUp')
    shown(browser, 0, 0)


def test_playing_stops_at_the_end(browser):
    browser.press(' ')
    shown(browser, 0, 13)
    browser.wait('document.getElementById("play").textContent === "play"')


def test_the_tally_follows_the_score(browser):
    assert text(browser, '#tally-0') == '2 correct · 0 missed'
    for _ in range(5):
        browser.press('+')
    assert text(browser, '#score-text') == '0.55'
    browser.wait('document.querySelector("#tally-0").textContent === "2 missed"')
    browser.press('-')
    browser.press('-')
    browser.wait('document.querySelector("#tally-0").textContent === "2 correct · 0 missed"')


def test_boxes_have_the_colour_of_their_verdict(browser, tmp_path):
    def drawn(run):
        """Whether a frame has the colours of correct and of missed boxes."""
        x, y, w, h = browser.run(f'''(() => {{
            const at = document.getElementById('canvas-{run}').getBoundingClientRect();
            return [at.x, at.y, at.width, at.height].map(Math.round); }})()''')
        seen = set(map(tuple, picture[y:y + h, x:x + w].reshape(-1, 3).tolist()))
        return [(63, 185, 80) in seen, (255, 211, 61) in seen]

    browser.press('ArrowRight')
    shown(browser, 0, 1)
    browser.screenshot(tmp_path / 'page.png')
    picture = cv2.imread(str(tmp_path / 'page.png'))[..., ::-1]
    assert drawn(0) == [True, False]
    assert drawn(1) == [False, True]


def test_a_failure_leads_to_its_frame(browser):
    assert browser.run('document.querySelectorAll("#failure-list tbody tr").length') > 4
    browser.press('n')
    browser.wait('document.querySelector("#failure-list .chosen") !== null')
    cells = browser.run('[...document.querySelector("#failure-list .chosen").children].map('
                        'cell => cell.textContent)')
    assert cells[0] in ('missed', 'flicker')
    assert cells[2] == 'half'
    shown(browser, browser.run('+document.getElementById("videos").value'), int(cells[4]))
    browser.run('document.querySelector("#failure-list tbody tr:last-child").click()')
    browser.wait('document.querySelector("#failure-list tbody tr:last-child.chosen") !== null')


def test_references_are_shown_with_weights_and_lead_there(browser):
    browser.press('ArrowRight')
    shown(browser, 0, 1)
    found = browser.run('[...document.querySelectorAll(".strip button")].map(b => b.textContent)')
    assert found == ['0 local0.750', '4 global0.250']
    browser.run('document.querySelectorAll(".strip button")[1].click()')
    shown(browser, 0, 4)


def test_the_timeline_is_drawn_and_leads_to_a_frame(browser):
    assert 'all, half; red where missed' in text(browser, '#timeline-title')
    browser.run('''(() => { const canvas = document.getElementById('timeline');
        canvas.dispatchEvent(new MouseEvent('click', {bubbles: true, clientY:
            canvas.getBoundingClientRect().top + 5, clientX: canvas.getBoundingClientRect().left
            + 150 + (document.getElementById('timeline-box').clientWidth - 158) * 7.5 / 14}));
        })()''')
    shown(browser, 0, 7)


def test_the_csv_has_what_the_filters_show(browser, tmp_path):
    rows = list(csv.DictReader(io.StringIO(browser.run('mmvodPage.csv(true)'))))
    assert len(rows) == 2 * (14 + 5 + 7 + 3)
    assert {row['verdict'] for row in rows} == {'correct'}
    browser.press('1')
    browser.press('+')
    while float(text(browser, '#score-text')) < 0.8:
        browser.press('+')
    part = browser.run('mmvodPage.csv(false)')
    (tmp_path / 'part.csv').write_text(part)
    [video] = read_results(tmp_path / 'part.csv').videos
    assert video.frame_ids.tolist() == [10, 12]
    assert {row['run'] for row in csv.DictReader(io.StringIO(part))} == {'half'}


def test_an_address_names_a_frame(browser, page):
    browser.open(f'{page}#video=video_0&frame=9&score=0.6')
    shown(browser, 0, 9)
    assert text(browser, '#score-text') == '0.60'


def test_an_own_video_without_truth(browser, tmp_path):
    write_video(tmp_path / 'c.mp4', [np.full((48, 64, 3), 90, np.uint8)] * 3)
    rows = [dict(boxes=np.array([[5, 5, 20, 20]], np.float32), scores=np.array([0.9], np.float32),
                 labels=np.array([0]))] * 3
    write_results(tmp_path / 'r.json', Predictions(
        [VideoDetections.from_frames('c.mp4', range(3), rows)], ('thing', )))
    assert main(['page', str(tmp_path / 'r.json'), '--source', str(tmp_path / 'c.mp4'), '--out',
                 str(tmp_path / 'page')]) == 0
    browser.open((tmp_path / 'page' / 'index.html').as_uri())
    shown(browser, 0, 0)
    assert text(browser, '#tally-0') == '1 boxes'
    assert text(browser, '#timeline-title').startswith('Classes')


def test_a_page_that_was_copied_in_part_says_so(chromium, page, tmp_path):
    folder = tmp_path / 'part'
    shutil.copytree(unquote(urlparse(page).path).removesuffix('/index.html'), folder)
    for file in (folder / 'data').glob('video_0.js'):
        file.unlink()
    chromium.open((folder / 'index.html').as_uri())
    chromium.wait('!document.getElementById("message").hidden')
    assert 'was the page copied whole?' in text(chromium, '#message')
    chromium.errors.clear()
