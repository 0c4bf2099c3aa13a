import { call, watch } from './session.js';

const part = (id) => document.getElementById(id);

async function show_notes() {
  const notes = await (await call('/api/notes')).json();
  part('notes').replaceChildren(
    ...notes.map((note) => {
      const item = document.createElement('li');
      item.textContent = note;
      return item;
    }),
  );
}

const answer = await fetch('/auth/user');
const { user, sign_in, sign_out } = await answer.json();
if (user) {
  part('name').textContent = user.name;
  part('sign-out').action = sign_out;
  part('signed-in').hidden = false;
  part('add').addEventListener('submit', async (event) => {
    event.preventDefault();
    await call('/api/notes', { method: 'POST', body: part('note').value });
    part('note').value = '';
    await show_notes();
  });
  watch(part('sign-out'), () => {
    part('signed-in').remove();
    part('ended').hidden = false;
  });
  await show_notes();
} else {
  part('sign-in').href = sign_in;
  part('signed-out').hidden = false;
}
