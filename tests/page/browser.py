"""A headless Chromium, driven through a pipe by its debugging protocol: no package is needed."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
#: Keys that are not a character, with their codes.
CODES = dict(ArrowLeft=37, ArrowRight=39, Home=36, End=35, PageUp=33, PageDown=34)
#: Starts a program that reads from descriptor 3 and writes to 4, whatever these are before.
START = '''
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
'''


def find_chromium() -> str | None:
    """Path of a Chromium, by the variable CHROMIUM or in the search path."""
    return os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab.

    Attributes:
        requests: Addresses of everything that pages asked for.
        errors: Messages of the console and uncaught exceptions.
    """

    def __init__(self, program: str, size: tuple[int, int] = (1400, 900)) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._count, self._buffer = 0, b''
        self._profile = tempfile.mkdtemp()
        there_read, self._to = os.pipe()
        self._from, there_write = os.pipe()
        flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe',
                 '--no-first-run', '--disable-background-networking', '--disable-dev-shm-usage',
                 f'--user-data-dir={self._profile}', f'--window-size={size[0]},{size[1]}']
        self._process = subprocess.Popen(
            [sys.executable, '-c', START, str(there_read), str(there_write), program, *flags,
             'about:blank'], pass_fds=(there_read, there_write), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(there_read)
        os.close(there_write)
        self._session = None
        [page] = [target for target in self._call('Target.getTargets')['targetInfos']
                  if target['type'] == 'page']
        self._session = self._call('Target.attachToTarget', targetId=page['targetId'],
                                   flatten=True)['sessionId']
        for domain in ('Page', 'Network', 'Runtime', 'Log'):
            self._call(f'{domain}.enable')
        self._call('Emulation.setDeviceMetricsOverride', width=size[0], height=size[1],
                   deviceScaleFactor=1, mobile=False)

    def open(self, address: str) -> None:
        """Load a page from nothing, even if only the part after # changes."""
        for target in ('about:blank', address):
            self._call('Page.navigate', url=target)
        self.wait('document.body !== null && location.href !== "about:blank"')

    def run(self, expression: str) -> Any:
        """Value of a JavaScript expression; promises are awaited."""
        result = self._call('Runtime.evaluate', expression=expression, awaitPromise=True,
                            returnByValue=True)
        assert 'exceptionDetails' not in result, result['exceptionDetails']
        return result['result'].get('value')

    def wait(self, expression: str, seconds: float = 20) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(expression):
            assert time.monotonic() < end, f'{expression} did not become true: {self.errors}'
            time.sleep(0.05)

    def press(self, key: str, shift: bool = False) -> None:
        """Press and release a key."""
        single = len(key) == 1
        event = dict(key=key, modifiers=8 if shift else 0,
                     windowsVirtualKeyCode=ord(key.upper()) if single else CODES[key])
        self._call('Input.dispatchKeyEvent', type='keyDown', **event,
                   **({'text': key} if single else {}))
        self._call('Input.dispatchKeyEvent', type='keyUp', **event)

    def screenshot(self, path: Path) -> None:
        """Write a PNG of what is visible."""
        path.write_bytes(base64.b64decode(self._call('Page.captureScreenshot')['data']))

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _call(self, method: str, **params: object) -> dict[str, Any]:
        self._count += 1
        message = dict(id=self._count, method=method, params=params)
        if self._session:
            message['sessionId'] = self._session
        os.write(self._to, json.dumps(message).encode() + b'\0')
        while (answer := self._receive()).get('id') != self._count:
            self._note(answer)
        assert 'error' not in answer, f'{method}: {answer["error"]}'
        return answer['result']

    def _receive(self) -> dict[str, Any]:
        while b'\0' not in self._buffer:
            assert select.select([self._from], [], [], 60)[0], 'the browser does not answer'
            part = os.read(self._from, 1 << 20)
            assert part, 'the browser has ended'
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b'\0')
        return json.loads(text)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get('params', {})
        if event.get('method') == 'Network.requestWillBeSent':
            self.requests.append(params['request']['url'])
        elif event.get('method') == 'Runtime.exceptionThrown':
            self.errors.append(json.dumps(params['exceptionDetails']))
        elif event.get('method') == 'Log.entryAdded' and params['entry']['level'] == 'error':
            self.errors.append(params['entry']['text'])
