/** The lines that a search found outside of what is loaded; a click shows one where it stands. */
import { TranslationBundle } from '@jupyterlab/translation';
import { ProblemLine } from '../../ui/components';
import { useModel } from '../../ui/model';
import { visible } from '../../wire/visible';
import { JournalSearch, partsOf } from './journalSearch';
import { ConsoleModel } from './model';

export function Hits(props: {
  search: JournalSearch;
  console: ConsoleModel;
  trans: TranslationBundle;
  onShow: () => void;
}): JSX.Element {
  const { trans } = props;
  const search = useModel(props.search);
  useModel(props.console);
  const { hits } = search;
  return (
    <>
      <ProblemLine problem={search.problem} trans={trans} />
      {hits.length > 0 && (
        <>
          <div className="jp-BridgeConsole-hitsTitle" role="status">
            {trans._n('%1 line is not loaded', '%1 lines are not loaded', hits.length)}
            {search.isTruncated && trans.__(', and there are more')}
          </div>
          <ul className="jp-BridgeConsole-hits">
            {hits.map(hit => {
              const [before, match, after] = partsOf(hit).map(visible);
              return (
                <li key={hit.offset}>
                  <button
                    type="button"
                    title={hit.time ? new Date(hit.time).toLocaleString() : undefined}
                    onClick={() => void search.show(hit).then(props.onShow)}
                  >
                    {before}
                    <mark>{match}</mark>
                    {after}
                  </button>
                </li>
              );
            })}
          </ul>
        </>
      )}
    </>
  );
}
