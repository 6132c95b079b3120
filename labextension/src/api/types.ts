/**
 * The bodies and answers of the bridge's routes. Generated from `jupyter_bridge/models/` by
 * `python -m tests.models.typescript`; a field that may be left out is optional.
 */

/** What every route answers when something expected goes wrong; details stand beside. */
export interface Problem {
  error: string;
  message: string;
  reason: string;
}

/** What the bridge is and where its parts are. */
export interface Index {
  name: string;
  version: string;
  parts: Record<string, string>;
  links: Record<string, string>;
}

/** A new connection: besides these, the fields of its kind (GET kinds) stand here. */
export interface AddConnectionBody {
  name: string;
  url?: string | null;
  kind?: string | null;
  username?: string | null;
  password?: string | null;
  token?: string | null;
  remember?: boolean;
}

/**
 * What to do; what is left out stays as it is. Other secrets of the kind may stand here, too.
 *
 * `host_key` accepts the host key that an sftp login was refused for.
 */
export interface PutConnectionBody {
  action?: 'login' | 'logout' | 'mount' | 'unmount';
  username?: string | null;
  password?: string | null;
  token?: string | null;
  host_key?: string | null;
  mountpoint?: string | null;
  remember?: boolean | null;
}

/** How far something has come: percent, and what is being done. */
export interface Progress {
  percent: number;
  message: string;
}

/**
 * A connection, as far as is known without asking the remote; secrets are only told to exist.
 *
 * `needs` are the fields without which a login cannot succeed; `can` the words of its roles;
 * `source` where it is configured; `progress` is there while it connects, where the remote tells.
 */
export interface Connection {
  name: string;
  kind: string;
  url: string;
  status: 'connected' | 'not connected';
  state: 'disconnected' | 'connecting' | 'connected' | 'expired' | 'unreachable' | 'forbidden' | 'failed';
  reason: string | null;
  since: string;
  username: string;
  password: string;
  has_secret: boolean;
  needs: string[];
  can: string[];
  source: string;
  remembered: boolean;
  isMounted: boolean;
  mountpoint: string;
  progress: Progress | null;
}

/** What is wrong with the configuration: `source` is a file and a line, or a trait. */
export interface Report {
  source: string;
  message: string;
}

/** All connections, where their secrets are kept, and what is wrong with the configuration. */
export interface ConnectionList {
  status: number;
  connections: Connection[];
  notebook_dir: string;
  vault: string;
  problems: Report[];
}

/** One connection. */
export interface OneConnection {
  status: number;
  connection: Connection;
  notebook_dir: string;
}

/**
 * A kind: `fields` is the JSON Schema of its form, or `problem` why it cannot be used.
 *
 * `secret` names the fields that are written and never shown.
 */
export interface Kind {
  kind: string;
  title: string;
  fields?: Record<string, unknown>;
  secret?: string[];
  can?: string[];
  problem?: string;
}

/**
 * A new terminal: its name (letters, digits, _), the folder it stands in (relative to the
 * server's root), variables to add (null removes one), what to run for a shell, its size.
 */
export interface TerminalOptions {
  name?: string | null;
  cwd?: string | null;
  env?: Record<string, string | null>;
  shell_command?: string[] | null;
  rows?: number | null;
  cols?: number | null;
}

/** Somebody who looks at a console, and how; `you` in what that viewer is told. */
export interface Viewer {
  user: string;
  mode: 'watch' | 'join' | 'steal';
  you?: boolean;
}

/**
 * A console; `exit_code` once it has ended, where it is known.
 *
 * `last_line` is the last line it said that is not blank, without escape sequences and controls,
 * cut after 200 characters.
 */
export interface Console {
  name: string;
  kind: string;
  state: 'live' | 'ended';
  title: string;
  first_offset: number;
  end_offset: number;
  epoch: string;
  started: string;
  last_activity: string;
  last_line: string;
  viewers: Viewer[];
  exit_code?: number;
}

/**
 * One thing in a listing. `kind` is folder, file or dataset, or a word of the remote's own.
 *
 * `path` is what `browse` takes to look inside; `permId` what `dataset` takes, where there is a
 * data set. `modified` is ISO 8601 UTC. `info` holds whatever else the remote tells.
 */
export interface Item {
  name: string;
  path: string;
  kind: string;
  permId?: string;
  size?: number;
  modified?: string;
  info?: Record<string, unknown>;
}

/**
 * One file of a data set. A directory is listed only where it is empty.
 *
 * `crc32` is unsigned, `sha256` in hex; None where the remote does not say. `path` is as the
 * remote says it: the transfer refuses what would leave its target.
 */
export interface File {
  path: string;
  size?: number;
  directory?: boolean;
  crc32?: number;
  sha256?: string;
}

/** A data set and its files; `info` holds whatever else the remote tells. */
export interface Dataset {
  permId: string;
  files: File[];
  type?: string | null;
  size?: number | null;
  dataStore?: string | null;
  location?: string | null;
  info?: Record<string, unknown>;
}

/** A word of a vocabulary. */
export interface Term {
  code?: string | null;
  label?: string | null;
  description?: string | null;
  official?: boolean | null;
  ordinal?: number | null;
}

/** A property that data sets of a type have; `terms` are the values that it may have. */
export interface PropertyAssignment {
  code: string;
  mandatory: boolean | null;
  ordinal: number | null;
  section: string | null;
  label: string | null;
  description: string | null;
  dataType: string | null;
  terms?: Term[];
}

/** A type of data sets, as jupyter-openbis-server tells it. */
export interface DatasetType {
  permId: string | null;
  code: string;
  description: string | null;
  mainDataSetPattern: string | null;
  mainDataSetPath: string | null;
  disallowDeletion: boolean | null;
  modificationDate: string;
  validationPlugin: string | null;
  propertyAssignments: PropertyAssignment[];
}

/** The types of data sets, as jupyter-openbis-server tells them. */
export interface Types {
  dataSetTypes: DatasetType[];
}

/** What the uploaded file or folder becomes. */
export interface UploadBody {
  type?: string | null;
  parents?: string[];
  props?: Record<string, unknown>;
}

/** A new data set from files below the server's root. */
export interface RegisterBody {
  type?: string | null;
  parents?: string[];
  props?: Record<string, unknown>;
  files: string[];
  entityIdentifier?: string;
}

/** A data set that was brought here. */
export interface Downloaded {
  url: string;
  permId: string;
  path: string;
  dataStore: string | null;
  location: string | null;
  size: number | null;
  files: string[];
  statusText: string;
  transfer: string;
}

/** A data set that was made. */
export interface Registered {
  status: number;
  permId: string | null;
  statusText: string;
  transfer: string;
}

/** Two texts and their names; they are saved in the notebook's folder. */
export interface RequirementsBody {
  notebook_path: string;
  requirements_list: string;
  runtime: string;
  requirements_filename?: string;
  runtime_filename?: string;
}

/** `path` is the notebook's, as the contents API names it; `save` writes beside it. */
export interface EnvironmentBody {
  path?: string | null;
  save?: boolean;
}

/** The contents paths that were written. */
export interface Saved {
  saved: string[];
  status: number;
}

/** A kernel's environment, and the contents paths that were written of it. */
export interface Environment {
  language: string;
  requirements_list: string;
  runtime: string;
  requirements_filename: string;
  runtime_filename: string;
  saved: string[];
}

/**
 * What to run, and how.
 *
 * `inputs` answer the code's input requests in turn; when they run out the code is interrupted,
 * unless `allow_stdin` is true: then it waits for `POST …/input`. `timeout` is in seconds from
 * now; on a timeout the code is interrupted, or left running.
 */
export interface ExecuteBody {
  code: string;
  silent?: boolean;
  store_history?: boolean;
  allow_stdin?: boolean | null;
  inputs?: string[];
  stop_on_error?: boolean;
  user_expressions?: Record<string, string>;
  timeout?: number | null;
  on_timeout?: 'interrupt' | 'leave';
}

/** What the user typed, without the newline. */
export interface InputBody {
  value: string;
}

/** The exception that ended the code. */
export interface Error {
  ename: string;
  evalue: string;
  traceback: string[];
}

/** What the code is asking for; a `password` must not be shown while it is typed. */
export interface Input {
  prompt: string;
  password: boolean;
}

/**
 * An execution; `outputs` as nbformat 4 holds them.
 *
 * `status` is `running` until it is one of the others. `exit_code` is that of a kernel that died
 * (negative: a signal), where it is known; `input_request` is what the code waits for; `truncated`
 * says that the outputs were more than the server keeps.
 */
export interface Execution {
  execution: string;
  kernel: string;
  status: 'running' | 'ok' | 'error' | 'aborted' | 'timeout' | 'died';
  execution_count: number | null;
  outputs: Record<string, unknown>[];
  user_expressions: Record<string, unknown>;
  started: string;
  seconds: number;
  error?: Error;
  exit_code?: number;
  input_request?: Input;
  truncated?: boolean;
}

/**
 * How to start a kernel: `cwd` is a folder of the system, `path` one below the server's root,
 * `env` is added to the server's environment, `name` is shown in lists.
 */
export interface SpawnBody {
  cwd?: string | null;
  path?: string | null;
  env?: Record<string, string>;
  name?: string | null;
}

/** A kernel's relay: its clients, and what its ring holds. */
export interface Relay {
  clients: number;
  first_seq: number;
  last_seq: number;
  bytes: number;
}

/** Since when a kernel is busy, and the beginning of the code, where the relay has seen it. */
export interface Executing {
  since: string;
  code?: string;
}

/**
 * A kernel: the host's model, and `kernelId` for kernel-relay's clients.
 *
 * `name` is the name it was spawned with, else its kernelspec's; `conn` the connection that it
 * belongs to, whose name its id begins with; `executing` is there while it is busy.
 */
export interface Kernel {
  id: string;
  kernelId: string;
  name: string;
  kernelspec: string;
  execution_state: string | null;
  last_activity: string | null;
  connections: number;
  relay: Relay;
  reason?: string;
  conn?: string;
  executing?: Executing;
}

/** Which kernel it was done to. */
export interface KernelId {
  id: string;
}

/** Which kernel was shut down, also in kernel-relay's spelling. */
export interface StoppedKernel {
  id: string;
  kernelId: string;
}

/**
 * What to run, where and how.
 *
 * `console` is a terminal's name, "new" for one that stays, or nothing for a fresh login shell
 * that is closed afterwards; on a connection `<connection>:<node>`, `<connection>:new`, and
 * `<connection>:`. `cwd` and `env` are set in the shell before the command, and stay.
 * `stdin` is a text; without it `tty` reads the terminal and `split` reads nothing. `timeout` is
 * in seconds from when the command begins; then it is killed, or left to be read later. At most
 * `max_output` bytes are kept. A busy shell is waited for if `queue` is true.
 */
export interface RunBody {
  command: string;
  console?: string | null;
  cwd?: string | null;
  env?: Record<string, string>;
  stdin?: string | null;
  timeout?: number | null;
  on_timeout?: 'kill' | 'leave';
  output?: 'split' | 'tty';
  strip?: boolean;
  max_output?: number;
  queue?: boolean;
}

/**
 * A run.
 *
 * `status` is `queued` or `running` until it is one of the others. `exit_code` is what the shell
 * has in `$?`; None while nobody knows. Offsets are the console's, around the command's output.
 * `output` is what the terminal showed (`tty`); `stdout` and `stderr` come apart with `split`. The
 * exact bytes stand beside a text that is not UTF-8.
 */
export interface Run {
  run: string;
  console: string;
  status: 'queued' | 'running' | 'done' | 'timeout' | 'cancelled' | 'session-closed';
  exit_code: number | null;
  truncated: boolean;
  cwd: string | null;
  started: string;
  seconds: number;
  start_offset: number | null;
  end_offset: number | null;
  signal?: string;
  output?: string;
  output_base64?: string;
  stdout?: string;
  stdout_base64?: string;
  stderr?: string;
  stderr_base64?: string;
}

/**
 * What to bring where.
 *
 * A download brings the data set `permId` (or only its `files`) to `path`/`permId`. An upload
 * makes `path` (and `files`, below the server's root) a data set of the object or folder `permId`.
 */
export interface TransferBody {
  type?: string | null;
  parents?: string[];
  props?: Record<string, unknown>;
  connection: string;
  direction: 'download' | 'upload';
  permId?: string;
  path?: string | null;
  files?: string[] | null;
}

/**
 * A transfer: bytes, bytes per second, seconds; `created` in seconds since the epoch.
 *
 * `skipped` names what an upload leaves out: hidden files, unless the contents manager allows
 * them, and the server's own folders.
 */
export interface Transfer {
  transfer: string;
  connection: string;
  direction: 'download' | 'upload';
  permId: string | null;
  path: string;
  state: 'queued' | 'running' | 'paused' | 'done' | 'failed' | 'cancelled';
  done: number;
  total: number;
  rate: number;
  eta: number | null;
  file: string | null;
  files: number;
  created: number;
  problem?: Record<string, unknown>;
  skipped?: string[];
}
