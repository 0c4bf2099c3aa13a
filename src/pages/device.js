(() => {
  'use strict';
  const part = (id) => document.getElementById(id);
  const {
    poll,
    wait,
    left,
    oneSecond: in_one_second = '1 second',
    seconds: in_seconds = '{} seconds',
    minutes: in_minutes = '{} minutes',
  } = part('device').dataset;
  const end = Date.now() + left * 1000;
  let timer;
  const tick = setInterval(() => {
    const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    part('left').textContent =
      seconds > 90
        ? in_minutes.replace('{}', Math.round(seconds / 60))
        : seconds === 1
          ? in_one_second
          : in_seconds.replace('{}', seconds);
    if (!seconds) stop();
  }, 1000);
  const stop = () => {
    clearInterval(tick);
    clearTimeout(timer);
    timer = null;
    part('device').hidden = part('waiting').hidden = true;
    part('over').hidden = false;
  };
  const later = (seconds) => {
    clearTimeout(timer);
    timer = setTimeout(ask, seconds * 1000);
  };
  const ask = async () => {
    let answer = {};
    try {
      const response = await fetch(poll, {
        headers: { accept: 'application/json' },
        cache: 'no-store',
        redirect: 'error',
      });
      if (response.status === 401) return stop();
      if (response.ok) answer = await response.json();
    } catch {} // No connection: again after the next wait.
    if (timer === null) return;
    if (answer.status === 'done') return location.replace(answer.location);
    if (answer.status === 'ended') return location.replace(poll);
    later(answer.wait || 5);
  };
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && timer) later(0);
  });
  part('waiting').hidden = false;
  later(wait);
})();
