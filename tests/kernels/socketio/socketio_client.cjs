// A socket.io client as web applications have it: executes code on a kernel, and prints what it heard.
// node socketio_client.cjs PACKAGE URL TOKEN KERNEL TRANSPORT CODE
const [, , name, url, token, kernel, transport, code] = process.argv;
const { io } = require(name);
const id = require('crypto').randomUUID();

const options = { path: '/bridge/socket.io', auth: { token }, transports: [transport], reconnection: false };
const shell = io(`${url}shell/${kernel}`, options);
const iopub = io(`${url}iopub/${kernel}`, options);
const said = { text: '', buffers: [], status: '', refused: '' };
let left = 2; // the reply, and the kernel at rest

const end = () => {
  shell.close();
  iopub.close();
  console.log(JSON.stringify(said));
};
const refused = error => {
  said.refused = String(error.message);
  end();
};
shell.on('connect_error', refused);
iopub.on('connect_error', refused);
shell.on('msg', message => {
  if (message.header.msg_type === 'execute_reply') {
    said.status = message.content.status;
    left -= 1;
    if (left === 0) end();
  }
});
iopub.on('msg', message => {
  const { msg_type } = message.header;
  if (msg_type === 'stream') said.text += message.content.text;
  said.buffers.push(...message.buffers.map(buffer => Buffer.from(buffer).toString('hex')));
  if (msg_type === 'status' && message.content.execution_state === 'idle' && message.parent_header.msg_id === id) {
    left -= 1;
    if (left === 0) end();
  }
});
iopub.on('connect', () => {
  const send = () =>
    shell.emit('msg', {
      header: { msg_id: id, msg_type: 'execute_request', session: id, username: '', version: '5.3' },
      parent_header: {},
      metadata: {},
      content: { code, silent: false, store_history: false, user_expressions: {}, allow_stdin: false, stop_on_error: true }
    });
  if (shell.connected) send();
  else shell.on('connect', send);
});
