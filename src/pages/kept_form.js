// Keeps a form in this tab while its user signs in, and gives it to the page that offers it.
(() => {
  'use strict';
  const part = (id) => document.getElementById(id);
  const name = (url) => `tower-identity form ${url}`;
  const kept = part('kept-form'),
    wanted = part('wanted-form'),
    answered = part('answered-form');
  try {
    if (kept) {
      const { form, url, signIn } = kept.dataset;
      sessionStorage.setItem(name(url), form);
      part('sign-in').href = signIn;
      part('not-saved').hidden = true;
      kept.hidden = false;
    }
    if (wanted) {
      const form = sessionStorage.getItem(name(wanted.getAttribute('action')));
      if (form) {
        wanted.elements.form.value = form;
        wanted.requestSubmit();
      }
    }
    if (answered) sessionStorage.removeItem(name(answered.dataset.url));
  } catch {} // Without a storage the page says that nothing was saved.
})();
