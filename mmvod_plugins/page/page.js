'use strict';
// Shows what mmvod_plugins/page/content.py describes: an index, and the boxes of each video, whose
// script is loaded when the video is looked at. Frames are counted from 0.
(function () {
  const RUN_COLOURS = ['#58a6ff', '#ffa657', '#bc8cff'];
  const VERDICT_COLOURS = ['#3fb950', '#f0883e', '#e26be8', '#ff4d4d', '#8b949e'];
  const FOUND = '#ffffff', MISSED = '#ffd33d', NAMES = 150;
  const UNITS = {missed: 'frames', flicker: 'changes', gap: 'frames', short: 'frames'};
  const $ = id => document.getElementById(id);
  let index, data, lanes = [], drawn = -1, timer = null, chosen = null;
  const videos = new Map(), waiting = new Map(), loading = new Map(), images = new Map();
  const state = {video: 0, frame: 0, score: 0.3, hidden: new Set(), off: new Set(), runs: [],
    names: true, sort: 'value', down: true};

  function make(tag, options, ...children) {
    const node = Object.assign(document.createElement(tag), options);
    node.append(...children);
    return node;
  }

  function say(text) {
    $('message').textContent = text;
    $('message').hidden = !text;
  }

  // ---- data

  function load(v) {
    if (videos.has(v)) return Promise.resolve(videos.get(v));
    if (loading.has(v)) return loading.get(v);
    const content = new Promise((done, fail) => {
      const file = `data/${encodeURIComponent(index.videos[v].stem)}.js`;
      const script = make('script', {src: file});
      script.onerror = () => fail(new Error(`${file} cannot be loaded: was the page copied whole?`));
      waiting.set(v, done);
      document.head.append(script);
    }).finally(() => loading.delete(v));
    loading.set(v, content);
    return content;
  }

  function addVideo(v, content) {
    const sums = counts => counts.reduce((all, n) => (all.push(all[all.length - 1] + n), all), [0]);
    for (const part of [content.truth, ...content.runs]) if (part) part.offsets = sums(part.counts);
    videos.set(v, content);
    if (waiting.has(v)) waiting.get(v)(content);
    waiting.delete(v);
  }

  const frameFile = (v, t) =>
    `frames/${encodeURIComponent(index.videos[v].stem)}/${String(t).padStart(6, '0')}.jpg`;

  function image(v, t) {
    const file = frameFile(v, t);
    if (!images.has(file)) {
      const picture = make('img', {src: file});
      images.set(file, picture.decode().then(() => picture, () => null));
      if (images.size > 80) images.delete(images.keys().next().value);
    }
    return images.get(file);
  }

  function isShown(run, row) {
    return run.scores[row] >= state.score && !state.hidden.has(run.labels[row])
      && !(run.verdicts && state.off.has(index.verdicts[run.verdicts[row]]));
  }

  function shownRows(run, t) {
    const rows = [];
    for (let row = run.offsets[t]; row < run.offsets[t + 1]; row++) if (isShown(run, row)) rows.push(row);
    return rows;
  }

  // Matching goes by descending score, so that a threshold changes no match above it.
  function hasFound(r, object) {
    const row = data.truth.found[r][object];
    return row >= 0 && data.runs[r].scores[row] >= state.score;
  }

  // ---- frames

  async function goTo(v, t) {
    if (v !== state.video || !data) {
      state.video = v;
      data = null;
      state.frame = Math.max(t, 0);
      let content;
      try { content = await load(v); } catch (error) { return say(error.message); }
      if (state.video !== v) return;
      data = content;
      lanes = makeLanes();
      $('videos').value = v;
      $('position').max = index.videos[v].frames - 1;
      layOut();
    }
    state.frame = Math.min(Math.max(t, 0), index.videos[v].frames - 1);
    if (chosen && (chosen.video !== v || state.frame < chosen.frame || state.frame > chosen.last)) choose(null);
    await draw();
  }

  const step = by => goTo(state.video, by === Infinity ? 1e9 : state.frame + by);

  async function draw() {
    const {video, frame} = state;
    const picture = await image(video, frame);
    if (video !== state.video || frame !== state.frame || !data) return;  // a later frame is wanted
    say(picture ? '' : `${frameFile(video, frame)} cannot be read`);
    index.runs.forEach((_, r) => state.runs[r] && drawPanel(r, picture, frame));
    drawReferences(frame);
    drawTimeline();
    $('position').value = frame;
    $('frame-text').textContent = `frame ${frame} of ${index.videos[video].frames}`;
    drawn = frame;
    document.body.dataset.drawn = `${video}:${frame}`;
    for (let t = frame + 1; t < Math.min(frame + 4, index.videos[video].frames); t++) image(video, t);
    const place = `#video=${encodeURIComponent(index.videos[video].name)}&frame=${frame}&score=${state.score}`;
    history.replaceState(null, '', place);
  }

  function drawPanel(r, picture, t) {
    const canvas = $(`canvas-${r}`), pen = canvas.getContext('2d'), run = data.runs[r];
    const scale = canvas.width / index.videos[state.video].width, unit = window.devicePixelRatio || 1;
    pen.fillStyle = '#000';
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (picture) pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const box = (boxes, row, colour, dash, width) => {
      const [x1, y1, x2, y2] = boxes.slice(4 * row, 4 * row + 4).map(side => side * scale);
      pen.setLineDash(dash.map(length => length * unit));
      for (const [style, thick] of [['#000b', width + 2], [colour, width]]) {
        pen.strokeStyle = style;
        pen.lineWidth = thick * unit;
        pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
      }
      return [x1, y1, x2, y2];
    };
    const tags = [];
    let missed = 0;
    const truth = data.truth, tallies = {};
    if (truth) for (let g = truth.offsets[t]; g < truth.offsets[t + 1]; g++) {
      if (state.hidden.has(truth.labels[g])) continue;
      const found = hasFound(r, g), name = truth.crowd[g] ? 'ignored' : found ? 'truth' : 'missed';
      if (name === 'missed') missed++;
      if (state.off.has(name)) continue;
      const colour = name === 'ignored' ? VERDICT_COLOURS[4] : found ? FOUND : MISSED;
      const at = box(truth.boxes, g, colour, [5, 4], name === 'missed' ? 2 : 1);
      if (name === 'missed') tags.push([at, `missed ${index.classes[truth.labels[g]]}`, colour, true]);
    }
    for (const row of shownRows(run, t).reverse()) {
      const colour = colourOf(run, row);
      if (run.verdicts) tallies[run.verdicts[row]] = (tallies[run.verdicts[row]] || 0) + 1;
      const track = run.tracks && run.tracks[row] >= 0 ? ` #${run.tracks[row]}` : '';
      const at = box(run.boxes, row, colour, [], 2);
      tags.push([at, `${index.classes[run.labels[row]]}${track} ${run.scores[row].toFixed(2)}`, colour, false]);
    }
    pen.setLineDash([]);
    if (chosen && chosen.run === r && t === chosen.frame) {
      const [x1, y1, x2, y2] = chosen.box.map(side => side * scale), pad = 6 * unit;
      pen.strokeStyle = '#ffffff';
      pen.lineWidth = 1.5 * unit;
      pen.strokeRect(x1 - pad, y1 - pad, x2 - x1 + 2 * pad, y2 - y1 + 2 * pad);
    }
    const taken = [];
    if (state.names) for (const tag of tags.reverse()) drawTag(pen, canvas, unit, taken, ...tag);
    const parts = Object.entries(tallies).map(([verdict, n]) => `${n} ${index.verdicts[verdict]}`);
    if (truth) parts.push(`${missed} missed`);
    else parts.push(`${shownRows(run, t).length} boxes`);
    if (run.missing.includes(t)) parts.push('not predicted');
    $(`tally-${r}`).textContent = parts.join(' · ');
  }

  function colourOf(run, row) {
    if (run.verdicts) return VERDICT_COLOURS[run.verdicts[row]];
    return `hsl(${(run.labels[row] * 222.5 + 140) % 360} 85% 62%)`;
  }

  // Tags of strong boxes come first; one that has no room moves away from them.
  function drawTag(pen, canvas, unit, taken, [x1, y1, , y2], text, colour, below) {
    pen.font = `${11 * unit}px system-ui, sans-serif`;
    const width = pen.measureText(text).width + 6 * unit, height = 15 * unit;
    const x = Math.max(Math.min(x1, canvas.width - width), 0);
    let y = Math.max(Math.min(below ? y2 : y1 - height, canvas.height - height), 0);
    const inTheWay = () => taken.find(other => other.x < x + width && x < other.x + other.width
      && other.y < y + height && y < other.y + height);
    const down = below || y < 2 * height;
    for (let other; (other = inTheWay());) y = down ? other.y + height : other.y - height;
    if (y < 0 || y > canvas.height - height) return;
    taken.push({x, y, width});
    pen.fillStyle = colour;
    pen.fillRect(x, y, width, height);
    pen.fillStyle = '#000';
    pen.fillText(text, x + 3 * unit, y + 11 * unit);
  }

  function layOut() {
    const info = index.videos[state.video], unit = window.devicePixelRatio || 1;
    const shown = state.runs.filter(Boolean).length;
    const room = ($('panels').clientWidth - 10 * (shown - 1)) / Math.max(shown, 1) - 2;
    const width = Math.max(Math.min(room, window.innerHeight * 0.55 * info.width / info.height), 120);
    index.runs.forEach((_, r) => {
      const canvas = $(`canvas-${r}`);
      $(`panel-${r}`).hidden = !state.runs[r];
      $(`panel-${r}`).style.width = `${width + 2}px`;
      canvas.style.width = `${width}px`;
      canvas.width = Math.round(width * unit);
      canvas.height = Math.round(canvas.width * info.height / info.width);
    });
  }

  // ---- references

  function drawReferences(t) {
    const strips = [];
    data.runs.forEach((run, r) => {
      const seen = state.runs[r] && run.references && run.references[t];
      if (!seen || !seen.length) return;
      const merged = new Map();
      for (const [frame, role, weight] of seen) {
        const key = `${frame} ${role}`, known = merged.get(key) || {frame, role, times: 0, weight: null};
        known.times++;
        if (weight !== null) known.weight = (known.weight || 0) + weight;
        merged.set(key, known);
      }
      const all = [...merged.values()].sort((a, b) => a.frame - b.frame);
      const most = Math.max(...all.map(item => item.weight || 0));
      const title = make('h2', {textContent: `${index.runs[r].title} looks at`});
      title.style.borderColor = RUN_COLOURS[r];
      strips.push(make('div', {className: 'strip'}, title, ...all.map(item => {
        const text = `${item.frame}${item.role ? ` ${item.role}` : ''}${item.times > 1 ? ` ×${item.times}` : ''}`;
        const parts = [make('img', {src: frameFile(state.video, item.frame), alt: ''}), make('small', {textContent: text})];
        if (item.weight !== null) parts.push(make('small', {textContent: item.weight.toFixed(3)}),
          make('meter', {min: 0, max: most || 1, value: item.weight}));
        return make('button', {title: `frame ${text}`, onclick: () => goTo(state.video, item.frame)}, ...parts);
      })));
    });
    $('references').hidden = !strips.length;
    $('references').replaceChildren(...strips);
  }

  // ---- timeline

  // A lane has for each run a score per frame: NaN where there is nothing to say, -1 for missed.
  function makeLanes() {
    const length = index.videos[state.video].frames;
    const lane = (label, name) => ({label, name, runs: data.runs.map(() => new Array(length).fill(NaN))});
    const found = new Map();
    const of = (key, label, name) => found.get(key) || found.set(key, lane(label, name)).get(key);
    const truth = data.truth, linked = data.runs.some(run => run.tracks);
    if (truth && truth.followed) {
      for (let t = 0; t < length; t++) for (let g = truth.offsets[t]; g < truth.offsets[t + 1]; g++) {
        if (truth.crowd[g]) continue;
        const group = truth.motion ? ` ${index.motionGroups[truth.motion[g]]}` : '';
        const entry = of(truth.objects[g], truth.labels[g],
          `${index.classes[truth.labels[g]]} ${truth.objects[g]}${group}`);
        data.runs.forEach((run, r) => {
          const row = truth.found[r][g];
          entry.runs[r][t] = row < 0 ? -1 : run.scores[row];
        });
      }
      return [...found.values()];
    }
    data.runs.forEach((run, r) => {
      for (let t = 0; t < length; t++) for (let row = run.offsets[t]; row < run.offsets[t + 1]; row++) {
        const label = run.labels[row], track = run.tracks ? run.tracks[row] : -1;
        if (linked && track < 0) continue;
        const entry = linked ? of(`${r} ${track}`, label, `${index.classes[label]} #${track}`)
          : of(label, label, `${index.classes[label]}, best box`);
        entry.runs[r][t] = Math.max(entry.runs[r][t] || -1, run.scores[row]);
      }
    });
    for (const entry of found.values()) for (const scores of entry.runs) {  // gaps of tracks
      const known = scores.map((score, t) => score >= 0 ? t : -1).filter(t => t >= 0);
      for (let t = known[0]; t < known[known.length - 1]; t++) if (!(scores[t] >= 0)) scores[t] = -1;
    }
    return [...found.values()];
  }

  const shownLanes = () => lanes.filter(lane => !state.hidden.has(lane.label)
    && lane.runs.some((scores, r) => state.runs[r] && scores.some(score => score === score)
      && (data.truth || scores.some(score => score >= state.score))));

  function drawTimeline() {
    const canvas = $('timeline'), pen = canvas.getContext('2d'), unit = window.devicePixelRatio || 1;
    const shown = shownLanes(), length = index.videos[state.video].frames;
    const width = $('timeline-box').clientWidth, strip = 4;
    const visible = data.runs.map((_, r) => r).filter(r => state.runs[r]);
    const height = Math.min(Math.max(($('timeline-box').clientHeight - 2) / shown.length, 44), 110);
    const room = height - strip * visible.length;
    const followed = data.truth && data.truth.followed, linked = data.runs.some(run => run.tracks);
    $('timeline-title').textContent = `${followed ? 'True objects' : linked ? 'Tracks' : 'Classes'}: score over `
      + `frames; strips: ${visible.map(r => index.runs[r].title).join(', ')}; red where `
      + `${followed ? 'missed' : 'nothing is found'}`;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${Math.max(shown.length, 1) * height}px`;
    canvas.width = Math.round(width * unit);
    canvas.height = Math.round(Math.max(shown.length, 1) * height * unit);
    pen.scale(unit, unit);
    const cell = (width - NAMES - 8) / length, x = t => NAMES + cell * t;
    pen.font = '12px system-ui, sans-serif';
    shown.forEach((lane, i) => {
      const top = i * height, base = top + room - 4, y = score => base - Math.min(score, 1) * (room - 10);
      pen.fillStyle = i % 2 ? '#1d2129' : '#222833';
      pen.fillRect(0, top, width, height);
      pen.fillStyle = '#e3e6eb';
      pen.fillText(lane.name, 8, top + height / 2 + 4, NAMES - 14);
      pen.strokeStyle = '#4b5565';
      pen.lineWidth = 1;
      pen.setLineDash([3, 3]);
      pen.beginPath();
      pen.moveTo(NAMES, y(state.score));
      pen.lineTo(width - 8, y(state.score));
      pen.stroke();
      pen.setLineDash([]);
      visible.forEach((r, n) => {
        const scores = lane.runs[r];
        pen.strokeStyle = pen.fillStyle = RUN_COLOURS[r];
        pen.fillRect(NAMES - 10, base + 3 + strip * n, 7, strip - 1);
        pen.lineWidth = 1.8;
        pen.beginPath();
        scores.forEach((score, t) => {
          if (!(score >= 0)) return;
          if (scores[t - 1] >= 0) pen.lineTo(x(t + 0.5), y(score)); else pen.moveTo(x(t + 0.5), y(score));
        });
        pen.stroke();
        scores.forEach((score, t) => {
          pen.fillStyle = RUN_COLOURS[r];
          if (score >= 0 && cell > 5) pen.fillRect(x(t + 0.5) - 1.5, y(score) - 1.5, 3, 3);
          if (score !== score) return;
          pen.fillStyle = score >= state.score ? '#2f8f46' : '#e5484d';
          pen.fillRect(x(t), base + 3 + strip * n, Math.max(cell - (cell > 4 ? 1 : 0), 0.5), strip - 1);
        });
      });
    });
    if (!shown.length) {
      pen.fillStyle = '#98a1b0';
      pen.fillText('nothing to show with these filters', 8, 20);
    }
    pen.fillStyle = '#ffffff30';
    pen.fillRect(x(state.frame), 0, Math.max(cell, 1), shown.length * height);
    pen.fillStyle = '#fff';
    pen.fillRect(x(state.frame + 0.5), 0, 1, shown.length * height);
  }

  // ---- failures

  const filters = {kind: '', run: '', motion: '', here: false};

  function listed() {
    const value = {run: f => index.runs[f.run].title, video: f => index.videos[f.video].name, kind: f => f.kind,
      class: f => index.classes[f.label], motion: f => f.motion === null ? '' : index.motionGroups[f.motion],
      frame: f => f.frame, value: f => -f.rank}[state.sort];
    const order = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (state.down ? -1 : 1);
    return index.failures.filter(f => (!filters.kind || f.kind === filters.kind) && state.runs[f.run]
      && (filters.run === '' || f.run === +filters.run) && (filters.motion === '' || f.motion === +filters.motion)
      && (!filters.here || f.video === state.video) && !state.hidden.has(f.label)).sort(order);
  }

  function valueText(f) {
    return f.kind === 'false' ? `${f.value.toFixed(2)} ${f.reason}`
      : `${f.value} ${f.value === 1 ? UNITS[f.kind].slice(0, -1) : UNITS[f.kind]}`;
  }

  function drawFailures() {
    const found = listed(), columns = ['kind', 'value', 'run', 'class', 'frame', 'motion', 'video'];
    const total = Object.values(index.totals).reduce((a, b) => a + b, 0);
    $('failure-count').textContent = `${found.length} listed of ${total}, score from ${index.threshold}`;
    document.querySelector('#failure-list thead').replaceChildren(make('tr', {}, ...columns.map(name =>
      make('th', {textContent: name + (state.sort === name ? state.down ? ' ▾' : ' ▴' : ''), onclick: () => {
        state.down = state.sort === name ? !state.down : name === 'value';
        state.sort = name;
        drawFailures();
      }}))));
    document.querySelector('#failure-list tbody').replaceChildren(...found.slice(0, 1000).map(f => {
      const cells = [f.kind, valueText(f), index.runs[f.run].title, index.classes[f.label], String(f.frame),
        f.motion === null ? '' : index.motionGroups[f.motion], index.videos[f.video].name];
      const row = make('tr', {onclick: () => jump(f), className: f === chosen ? 'chosen' : ''},
        ...cells.map(text => make('td', {textContent: text.length > 18 ? `…${text.slice(-9)}` : text, title: text})));
      row.children[2].style.color = RUN_COLOURS[f.run];
      return row;
    }));
    if (!found.length) document.querySelector('#failure-list tbody').append(make('tr', {},
      make('td', {className: 'none', colSpan: 7, textContent: total ? 'none with these filters' : 'none found'})));
  }

  function choose(failure) {
    chosen = failure;
    drawFailures();
    const row = document.querySelector('#failure-list .chosen');
    if (row) row.scrollIntoView({block: 'nearest'});
  }

  async function jump(failure) {
    stop();
    choose(failure);
    await goTo(failure.video, failure.frame);
  }

  function jumpBy(by) {
    const found = listed();
    const at = found.indexOf(chosen);
    if (found.length) jump(found[at < 0 ? 0 : (at + by + found.length) % found.length]);
  }

  // ---- export

  function cells(v, content) {
    const info = index.videos[v], rows = [];
    content.runs.forEach((run, r) => {
      if (!state.runs[r]) return;
      for (let t = 0; t < info.frames; t++) for (const row of shownRows(run, t)) {
        rows.push([index.runs[r].title, info.name, t, ...run.boxes.slice(4 * row, 4 * row + 4), run.labels[row],
          run.scores[row], run.tracks && run.tracks[row] >= 0 ? run.tracks[row] : '', index.classes[run.labels[row]],
          run.verdicts ? index.verdicts[run.verdicts[row]] : '']);
      }
    });
    return rows;
  }

  const quoted = cell => /[",\n\r]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell);

  async function csv(all) {
    const rows = [['run', 'video_id', 'frame_id', 'x_min', 'y_min', 'x_max', 'y_max', 'class_id', 'confidence',
      'tracker_id', 'class_name', 'verdict']];
    for (const v of all ? index.videos.keys() : [state.video]) rows.push(...cells(v, await load(v)));
    return rows.map(row => row.map(quoted).join(',')).join('\n') + '\n';
  }

  async function save(all) {
    try {
      const link = make('a', {download: `${all ? index.title : index.videos[state.video].name}.csv`,
        href: URL.createObjectURL(new Blob([await csv(all)], {type: 'text/csv'}))});
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    } catch (error) { say(error.message); }
    $('export-menu').open = false;
  }

  // ---- controls

  function refresh() {
    $('score').value = state.score;
    $('score-text').textContent = state.score.toFixed(2);
    $('class-summary').textContent = state.hidden.size
      ? `Classes: ${index.classes.length - state.hidden.size} of ${index.classes.length}` : 'Classes: all';
    document.querySelectorAll('.chip').forEach(chip => chip.classList.toggle('off', state.off.has(chip.value)));
    drawFailures();
    if (data) { layOut(); draw(); }
  }

  function setScore(score) {
    state.score = Math.round(100 * Math.min(Math.max(score, index.leastScore), 1)) / 100;
    refresh();
  }

  function toggle(set, item) {
    if (!set.delete(item)) set.add(item);
    refresh();
  }

  function toggleRun(r) {
    if (r >= index.runs.length || (state.runs[r] && state.runs.filter(Boolean).length === 1)) return;
    state.runs[r] = !state.runs[r];
    refresh();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    $('play').textContent = 'play';
  }

  function play() {
    if (timer) return stop();
    $('play').textContent = 'stop';
    if (state.frame === index.videos[state.video].frames - 1) step(-Infinity);
    timer = setInterval(() => {
      if (state.frame === index.videos[state.video].frames - 1) return stop();
      if (drawn === state.frame) step(1);  // no frame is left out
    }, 1000 / index.videos[state.video].fps);
  }

  const changeVideo = by => goTo((state.video + by + index.videos.length) % index.videos.length, 0);

  const KEYS = {
    ArrowLeft: e => step(e.shiftKey ? -10 : -1), ArrowRight: e => step(e.shiftKey ? 10 : 1),
    Home: () => step(-Infinity), End: () => step(Infinity), ' ': play,
    PageUp: () => changeVideo(-1), PageDown: () => changeVideo(1), n: () => jumpBy(1), p: () => jumpBy(-1),
    '+': () => setScore(state.score + 0.05), '-': () => setScore(state.score - 0.05),
    t: () => { toggle(state.off, 'truth'); }, '?': () => { $('help').open = !$('help').open; },
    1: () => toggleRun(0), 2: () => toggleRun(1), 3: () => toggleRun(2),
  };

  function build() {
    document.title = $('title').textContent = index.title;
    const percent = ap => ap === null || ap === undefined ? '-' : (100 * ap).toFixed(1);
    index.videos.forEach((video, v) => $('videos').append(make('option', {value: v,
      textContent: video.ap.length ? `${video.name} (${video.ap.map(percent).join(' / ')})` : video.name})));
    $('videos').title = index.judged ? `${index.protocol} ${index.metric} of each run` : '';
    index.runs.forEach((run, r) => {
      const name = make('b', {}, run.title);
      if (index.judged) name.append(make('small', {textContent: `${index.protocol} ${index.metric} ${percent(run.ap)}`}));
      const head = make('div', {}, name, make('span', {id: `tally-${r}`}));
      head.style.borderColor = RUN_COLOURS[r];
      $('panels').append(make('div', {className: 'panel', id: `panel-${r}`}, head, make('canvas', {id: `canvas-${r}`})));
    });
    index.classes.forEach((name, label) => $('classes').append(make('label', {},
      make('input', {type: 'checkbox', checked: true, onchange: () => toggle(state.hidden, label)}), ` ${name}`)));
    const only = all => { state.hidden = new Set(all ? [] : index.classes.keys());
      $('classes').querySelectorAll('input').forEach(input => { input.checked = all; }); refresh(); };
    $('classes').prepend(make('button', {textContent: 'all', onclick: () => only(true)}),
      make('button', {textContent: 'none', onclick: () => only(false)}));
    if (index.judged) {
      const entries = [...index.verdicts.map((name, i) => [name, VERDICT_COLOURS[i], '']),
        ['missed', MISSED, 'dashed'], ['truth', FOUND, 'dashed']];
      for (const [name, colour, className] of entries) {
        const mark = make('i', {className});
        mark.style.color = colour;
        $('chips').append(make('button', {className: 'chip', value: name, title: `show or hide: ${name}`,
          onclick: () => toggle(state.off, name)}, mark, name === 'truth' ? 'found truth' : name));
      }
    }
    buildFilters();
    $('score').min = index.leastScore;
    $('score').oninput = () => setScore(+$('score').value);
    $('videos').onchange = () => goTo(+$('videos').value, 0);
    $('previous-video').onclick = () => changeVideo(-1);
    $('next-video').onclick = () => changeVideo(1);
    $('position').oninput = () => goTo(state.video, +$('position').value);
    $('play').onclick = play;
    document.querySelectorAll('[data-step]').forEach(button => { button.onclick = () => step(+button.dataset.step); });
    $('names').onchange = () => { state.names = $('names').checked; draw(); };
    $('export-video').onclick = () => save(false);
    $('export-all').onclick = () => save(true);
    $('timeline').onclick = event => {
      const cell = ($('timeline-box').clientWidth - NAMES - 8) / index.videos[state.video].frames;
      if (event.offsetX >= NAMES) goTo(state.video, Math.floor((event.offsetX - NAMES) / cell));
    };
    document.querySelectorAll('details').forEach(menu => menu.addEventListener('toggle', () => {
      menu.lastElementChild.style.left = '0';  // inside of the window
      const beyond = menu.lastElementChild.getBoundingClientRect().right - window.innerWidth + 8;
      menu.lastElementChild.style.left = `${-Math.max(beyond, 0)}px`;
    }));
    window.onresize = () => { if (data) { layOut(); draw(); } };
    document.addEventListener('click', event => document.querySelectorAll('details[open]').forEach(menu => {
      if (!menu.contains(event.target)) menu.open = false;
    }));
    document.addEventListener('keydown', event => {
      const own = event.target.tagName === 'SELECT' || (event.key === ' ' && /^(BUTTON|SUMMARY)$/.test(event.target.tagName))
        || (event.key === ' ' && event.target.type === 'checkbox');
      if (own || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
      event.preventDefault();
      KEYS[event.key](event);
    });
  }

  function buildFilters() {
    const select = (key, title, entries) => $('failure-filters').append(make('select', {title, onchange: event => {
      filters[key] = event.target.value;
      drawFailures();
    }}, ...[['', title], ...entries].map(([value, textContent]) => make('option', {value, textContent}))));
    select('kind', 'all kinds', Object.entries(index.totals).map(([kind, n]) => [kind, `${kind} (${n})`]));
    if (index.runs.length > 1) select('run', 'all runs', index.runs.map((run, r) => [r, run.title]));
    if (index.judged) select('motion', 'any motion', index.motionGroups.map((name, i) => [i, name]));
    $('failure-filters').append(make('label', {}, make('input', {type: 'checkbox', onchange: event => {
      filters.here = event.target.checked;
      drawFailures();
    }}), ' this video'));
  }

  function start(content) {
    index = content;
    for (const kind of Object.keys(index.totals)) {  // the worst of each kind come first
      const same = index.failures.filter(f => f.kind === kind).sort((a, b) => b.value - a.value);
      same.forEach((f, rank) => { f.rank = rank; });
    }
    state.runs = index.runs.map(() => true);
    const asked = new URLSearchParams(location.hash.slice(1));
    const score = parseFloat(asked.get('score'));
    state.score = score === score ? score : Math.max(index.threshold, index.leastScore);
    build();
    refresh();
    const video = index.videos.findIndex(info => info.name === asked.get('video'));
    goTo(Math.max(video, 0), parseInt(asked.get('frame'), 10) || 0);
  }

  window.mmvodPage = {start, addVideo, csv};
})();
