/**
 * The bodies and answers of the bridge's routes. Generated from `jupyter_bridge/models/` by
 * `python -m tests.models.typescript`; a field that may be left out is optional.
 */

/** The answer of any route to an expected error; details are in further fields. */
export interface Problem {
  error: string;
  message: string;
  reason: string;
}

/** The version of the bridge, and links to its parts. */
export interface Index {
  name: string;
  version: string;
  parts: Record<string, string>;
  links: Record<string, string>;
}

/** A new connection; the fields of its kind (GET kinds) are also allowed. */
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
 * The action; fields left out stay unchanged. Other secrets of the kind are also allowed.
 *
 * `host_key` accepts the host key for which an sftp login was refused.
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

/** The progress in percent, and the current step. */
export interface Progress {
  percent: number;
  message: string;
}

/**
 * The known state of a connection, without asking the remote; secrets are never shown.
 *
 * `needs` names the fields that a login still requires; `can` its roles; `source` where it is
 * configured; `progress` is set while it connects, if the remote reports it.
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

/** An error in the configuration: `source` is a file and a line, or a trait. */
export interface Report {
  source: string;
  message: string;
}

/** All connections, the store of their secrets, and the errors in the configuration. */
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
 * A kind: `fields` is the JSON Schema of its form, or `problem` why the kind is unusable.
 *
 * `secret` names the fields that are never shown.
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
 * A new terminal: its name (letters, digits, _), its folder (relative to the server's root),
 * variables to add (null removes one), the command to run as its shell, its size. `cwd_base64` has
 * the folder instead if its path is not UTF-8.
 */
export interface TerminalOptions {
  name?: string | null;
  cwd?: string | null;
  cwd_base64?: string | null;
  env?: Record<string, string | null>;
  shell_command?: string[] | null;
  rows?: number | null;
  cols?: number | null;
}

/** The new name of a terminal: letters, digits, _. */
export interface ConsoleChange {
  name: string;
}

/** A viewer of a console; `you` is true in the answer to that viewer. */
export interface Viewer {
  user: string;
  mode: 'watch' | 'join' | 'steal';
  you?: boolean;
}

/**
 * A console; `exit_code` is set after its end, if known.
 *
 * `last_line` is the last line that is not blank, without escape sequences and control characters,
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
 * A line of a console in which a search found its text.
 *
 * `offset` is that of the line's first byte, `time` when it came; null where times are unknown.
 * `line` has no escape sequences. Of a long line it is the part around the match, with `…` where
 * it was cut. The match is `line[start:end]`, counted in characters (Unicode code points).
 */
export interface Hit {
  console: string;
  epoch: string;
  offset: number;
  time: string | null;
  line: string;
  start: number;
  end: number;
}

/**
 * The hits of a search: console by console, in each by offset.
 *
 * `truncated` if there are more hits than asked for. `unread` names the consoles that could not
 * be read to their end, like a file on a mount that does not answer.
 */
export interface Search {
  hits: Hit[];
  truncated: boolean;
  unread?: string[];
}

/**
 * A command that was run in a console's shell.
 *
 * Its output is from `offset` to `end_offset`, which is null while it runs. `time` is when it
 * began, `seconds` how long it took (so far), to 0.1 s; null where times are unknown. `exit_code`
 * is what the shell said, `cwd` the folder in which the command began, `command` its text, of
 * which the first 1,000 characters are kept; each is null where the shell does not tell it.
 */
export interface Command {
  offset: number;
  end_offset: number | null;
  time: string | null;
  seconds: number | null;
  exit_code: number | null;
  cwd: string | null;
  command: string | null;
}

/**
 * The commands of a console that its shell's marks tell, the newest last.
 *
 * `truncated` if there are older ones: ask for those `before` the first one's offset. A program
 * can print such marks, too.
 */
export interface Commands {
  console: string;
  epoch: string;
  commands: Command[];
  truncated: boolean;
}

/**
 * An entry of a listing. `kind` is folder, file or dataset, or a word of the remote's own.
 *
 * `path` is the argument of `browse` for the entry's content; `permId` that of `dataset`, if the
 * entry is a data set. `modified` is ISO 8601 UTC. `info` holds all other data of the remote.
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
 * A file of a data set. A directory is listed only if it is empty.
 *
 * `crc32` is unsigned, `sha256` in hex; None if the remote does not send it. `path` is as the
 * remote sends it: the transfer refuses a path out of its target.
 */
export interface File {
  path: string;
  size?: number;
  directory?: boolean;
  crc32?: number;
  sha256?: string;
}

/** A data set and its files; `info` holds all other data of the remote. */
export interface Dataset {
  permId: string;
  files: File[];
  type?: string | null;
  size?: number | null;
  dataStore?: string | null;
  location?: string | null;
  info?: Record<string, unknown>;
}

/** A term of a vocabulary. */
export interface Term {
  code?: string | null;
  label?: string | null;
  description?: string | null;
  official?: boolean | null;
  ordinal?: number | null;
}

/** A property of a data set type; `terms` are its allowed values. */
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

/** A type of data sets, in the form of jupyter-openbis-server. */
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

/** The types of data sets, in the form of jupyter-openbis-server. */
export interface Types {
  dataSetTypes: DatasetType[];
}

/** The type, parents and properties of the new data set. */
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

/** A downloaded data set. */
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

/** A registered data set. */
export interface Registered {
  status: number;
  permId: string | null;
  statusText: string;
  transfer: string;
}

/** The text and name of both files, to be saved in the notebook's folder. */
export interface RequirementsBody {
  notebook_path: string;
  requirements_list: string;
  runtime: string;
  requirements_filename?: string;
  runtime_filename?: string;
}

/** `path` is the notebook's contents path; `save` writes the files beside it. */
export interface EnvironmentBody {
  path?: string | null;
  save?: boolean;
}

/** The contents paths of the saved files. */
export interface Saved {
  saved: string[];
  status: number;
}

/** A kernel's environment, and the contents paths of the saved files. */
export interface Environment {
  language: string;
  requirements_list: string;
  runtime: string;
  requirements_filename: string;
  runtime_filename: string;
  saved: string[];
}

/**
 * The code to run, and its options.
 *
 * `inputs` answer the code's input requests in turn; a request without an input interrupts the
 * code, unless `allow_stdin` is true: then it waits for `POST …/input`. `timeout` is in seconds
 * from now; on a timeout the code is interrupted, or left running.
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

/** The user's input, without the newline. */
export interface InputBody {
  value: string;
}

/** The exception that ended the code. */
export interface Error {
  ename: string;
  evalue: string;
  traceback: string[];
}

/** The code's input request; do not show a `password` while it is typed. */
export interface Input {
  prompt: string;
  password: boolean;
}

/**
 * An execution; `outputs` are in the form of nbformat 4.
 *
 * `status` is `running` until the end. `exit_code` is that of a kernel that died (negative: a
 * signal), if known; `input_request` the request that the code waits for; `truncated` tells that
 * the outputs exceeded the server's limit.
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
 * Options of a new kernel: `cwd` is a folder of the system, `path` one below the server's root,
 * `env` is added to the server's environment, `name` is shown in lists.
 */
export interface SpawnBody {
  cwd?: string | null;
  path?: string | null;
  env?: Record<string, string>;
  name?: string | null;
}

/** A kernel's relay: its clients, and the content of its ring. */
export interface Relay {
  clients: number;
  first_seq: number;
  last_seq: number;
  bytes: number;
}

/** Since when a kernel is busy, and the beginning of the code, if the relay has seen it. */
export interface Executing {
  since: string;
  code?: string;
}

/**
 * A kernel: the host's model, and `kernelId` for kernel-relay's clients.
 *
 * `name` is the name given at the spawn, else the kernelspec's; `conn` the kernel's connection,
 * which is also the prefix of its id; `executing` is set while the kernel is busy.
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

/** The id of the kernel that was acted on. */
export interface KernelId {
  id: string;
}

/** The id of a kernel that was shut down, also in kernel-relay's spelling. */
export interface StoppedKernel {
  id: string;
  kernelId: string;
}

/**
 * The command to run, its place and its options.
 *
 * `console` is a terminal's name, "new" for one that stays open, or null for a new login shell
 * that is closed afterwards; on a connection `<connection>:<node>`, `<connection>:new`, and
 * `<connection>:`. `cwd` and `env` are set in the shell before the command, and stay set. Without
 * `stdin`, `tty` reads the terminal and `split` reads nothing, unless `input` is "pipe": then the
 * command reads what `POST …/input` sends, up to its `end`. `timeout` is in seconds from the
 * command's start; on a timeout the command is killed, or left running. An answer in one piece has
 * at most `max_output` bytes of output. With `queue`, the run waits for a busy shell, at most
 * `queue_timeout` seconds. With `raw`, `tty` output keeps the terminal's CR LF. Without `pager`,
 * git, man and the like print instead of paging. `rows` and `cols` are the client's screen, which
 * counts for the terminal's size until the end. A new shell is `shell`, a name or a path, or else
 * the user's; its profile may take `start_timeout` seconds. A value that is not UTF-8 is sent in
 * its `…_base64` field instead.
 */
export interface RunBody {
  command?: string | null;
  command_base64?: string | null;
  console?: string | null;
  cwd?: string | null;
  cwd_base64?: string | null;
  env?: Record<string, string>;
  env_base64?: Record<string, string>;
  stdin?: string | null;
  stdin_base64?: string | null;
  input?: 'pipe' | 'terminal';
  timeout?: number | null;
  on_timeout?: 'kill' | 'leave';
  output?: 'split' | 'tty';
  strip?: boolean;
  raw?: boolean;
  pager?: boolean;
  rows?: number | null;
  cols?: number | null;
  max_output?: number;
  queue?: boolean;
  queue_timeout?: number | null;
  shell?: string | null;
  start_timeout?: number | null;
}

/** So many `bytes` of a text are left out, after its first `offset` bytes. */
export interface Omitted {
  bytes: number;
  offset: number;
}

/**
 * A run.
 *
 * `status` is `queued` or `running` until the end. `exit_code` is the shell's `$?`; None while
 * unknown. `shell` is the program that ran it, `instead_of` the user's shell if a run cannot use
 * that. The command's output is between the two offsets of the console. `output` is the
 * terminal's output (`tty`); `stdout` and `stderr` are separate with `split`. The `…_base64`
 * fields hold the exact bytes of a text that is not UTF-8, and `cwd_base64` those of a folder.
 * Text longer than `max_output` has its beginning and its end, and `omitted` (`stdout_omitted`,
 * `stderr_omitted`) says what is left out; then, and if output was lost, `truncated` is true.
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
  shell?: string;
  instead_of?: string;
  cwd_base64?: string;
  output?: string;
  output_base64?: string;
  omitted?: Omitted;
  stdout?: string;
  stdout_base64?: string;
  stdout_omitted?: Omitted;
  stderr?: string;
  stderr_base64?: string;
  stderr_omitted?: Omitted;
}

/**
 * The source and target of a transfer.
 *
 * A download writes the data set `permId` (or only its `files`) to `path`/`permId`. An upload
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
 * `skipped` names the files that an upload leaves out: hidden files, unless the contents manager
 * allows them, and the server's own folders. It has the first 100 names; `skippedMore` counts the
 * others.
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
  skippedMore?: number;
}
