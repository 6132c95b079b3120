/** Tests of what needs no page: the wire formats on the vectors that Python reads, and the models. */
module.exports = {
  roots: ['<rootDir>/src'],
  testEnvironment: 'node',
  transform: {
    '\\.tsx?$': ['ts-jest', { tsconfig: 'tsconfig.test.json' }],
    // JupyterLab's packages are ES modules, which jest does not read.
    '\\.m?js$': ['ts-jest', { tsconfig: { allowJs: true, module: 'CommonJS', target: 'ES2022' } }]
  },
  transformIgnorePatterns: [
    '/node_modules/(?!(@jupyterlab|@jupyter|@lumino|@microsoft|@xterm|lib0|y-protocols|yjs|exenv-es6|nanoid|marked|@rjsf|vscode-ws-jsonrpc)/)'
  ],
  moduleNameMapper: { '\\.(css|svg)$': '<rootDir>/jest.style.cjs' }
};
