const tabs = new BroadcastChannel('session');

/** `fetch`; if the answer asks for a sign-in, the browser goes there and returns to this page. */
export async function call(address, options) {
  const answer = await fetch(address, options);
  if (answer.status !== 401) return answer;
  const { sign_in } = await answer.clone().json().catch(() => ({}));
  if (!sign_in) return answer;
  location.assign(sign_in);
  return new Promise(() => {}); // the page is being left
}

/** Calls `ended` when the user has signed out in another tab, or the session has ended. */
export function watch(sign_out_form, ended) {
  sign_out_form.addEventListener('submit', () => tabs.postMessage('signed out'));
  tabs.addEventListener('message', ended);
  document.addEventListener('visibilitychange', async () => {
    if (document.visibilityState !== 'visible') return;
    if ((await fetch('/auth/user')).status === 401) ended();
  });
}
