// `npm run conformance -- <folder>`: plays a folder of cases against a started system; see CONTRIBUTING.md.
import '../test/conformance/run.ts'
