import { render } from 'preact';
import { App } from './App.tsx';
import { boot } from './actions.ts';
import './styles/isolate.css';
import './styles/models.css';
import './styles/runs.css';

const root = document.getElementById('app');
if (root === null) throw new Error('internal: index.html has no #app');
root.replaceChildren();
render(<App />, root);
void boot();
