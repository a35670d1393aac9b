import { render } from 'preact';
import { boot } from './actions.ts';
import { App } from './App.tsx';

const root = document.getElementById('app');
if (root === null) throw new Error('internal: index.html has no #app');
root.replaceChildren();
render(<App />, root);
void boot();
