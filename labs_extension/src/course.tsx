// The panel's part on the course: what is new, what was kept as the student's own.

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { CourseFile, CourseReport, FileState } from './reports.ts';
import { type Language, said } from './words.ts';

interface Properties {
  course: CourseReport;
  /** Opens a file by its path in the file browser. */
  open: (path: string) => void;
  trans: TranslationBundle;
  language: Language;
}

/** What is longer is folded. */
const LONGEST_LIST = 8;

/** What people look for comes first; what is as it was is only counted. */
const ORDER: FileState[] = ['failed', 'new', 'updated', 'kept', 'deleted'];

export function CoursePart(properties: Properties): React.ReactElement {
  const { course, trans, language } = properties;
  const current = course.files.filter(one => one.state === 'current').length;
  return (
    <section aria-labelledby="jp-gpuspawner-course">
      <h2 id="jp-gpuspawner-course">{trans.__('Course')}</h2>
      {course.problem && (
        <p className="jp-gpuspawner-attention">{said(course.problem, language)}</p>
      )}
      {ORDER.map(state => (
        <Group key={state} state={state} {...properties} />
      ))}
      {current > 0 && (
        <p className="jp-gpuspawner-note">
          {trans.__('In the folder %1 and as before: %2', `${course.folder}`, `${current}`)}
        </p>
      )}
      {course.commit && (
        <p className="jp-gpuspawner-note">
          {trans.__('Version %1', course.commit.slice(0, 7))}
        </p>
      )}
    </section>
  );
}

function Group(properties: Properties & { state: FileState }): React.ReactElement | null {
  const { course, state, trans } = properties;
  const files = course.files.filter(one => one.state === state);
  if (files.length === 0) {
    return null;
  }
  const title = {
    new: trans.__('New'),
    updated: trans.__('Updated'),
    kept: trans.__('Kept as yours'),
    deleted: trans.__('Deleted by you, so not brought back'),
    failed: trans.__('Did not come'),
    current: ''
  }[state];
  return (
    <details open={state !== 'deleted' && files.length <= LONGEST_LIST}>
      <summary>
        {title}: {files.length}
      </summary>
      <ul className="jp-gpuspawner-files" aria-label={title}>
        {files.map(file => (
          <li key={file.path}>
            <Name {...properties} file={file} path={file.path} />
            {file.beside && (
              <p>
                {trans.__('The new one:')}{' '}
                <Name {...properties} file={file} path={file.beside} />
              </p>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** A file's name, to open it where it is there and the file browser reaches it. */
function Name(properties: Properties & { file: CourseFile; path: string }): React.ReactElement {
  const { course, file, path, open } = properties;
  const name = path.slice((course.folder?.length ?? -1) + 1);
  if (!course.in_browser || file.state === 'deleted' || file.state === 'failed') {
    return <span>{name}</span>;
  }
  return (
    <button className="jp-gpuspawner-link" onClick={() => open(path)}>
      {name}
    </button>
  );
}
