import '@graphiql/react/setup-workers/vite';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './explorer.css';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { Bar } from './bar.jsx';
import { createFetcher } from './fetcher.js';
import { STARTERS } from './starters.js';

const PLUGINS = [HISTORY_PLUGIN, explorerPlugin()];
const FILES_ARE_NULL = { Upload: { type: 'null' } }; // in the variables: they come from the bar
const fetcher = createFetcher();

function Explorer() {
  return (
    <>
      <Bar />
      <GraphiQL
        fetcher={fetcher}
        plugins={PLUGINS}
        defaultTabs={STARTERS}
        customScalarSchemas={FILES_ARE_NULL}
        defaultEditorToolsVisibility="variables"
        shouldPersistHeaders={false}
      >
        <GraphiQL.Logo>PET</GraphiQL.Logo>
      </GraphiQL>
    </>
  );
}

createRoot(document.getElementById('explorer')).render(<Explorer />);
