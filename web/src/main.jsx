import '@graphiql/react/setup-workers/vite';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './explorer.css';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { createFetcher } from './fetcher.js';
import { STARTERS } from './starters.js';
import { TokenBar } from './token.jsx';

const PLUGINS = [HISTORY_PLUGIN, explorerPlugin()];
const fetcher = createFetcher();

function Explorer() {
  return (
    <>
      <TokenBar />
      <GraphiQL
        fetcher={fetcher}
        plugins={PLUGINS}
        defaultTabs={STARTERS}
        defaultEditorToolsVisibility="variables"
        shouldPersistHeaders={false}
      >
        <GraphiQL.Logo>PET</GraphiQL.Logo>
      </GraphiQL>
    </>
  );
}

createRoot(document.getElementById('explorer')).render(<Explorer />);
