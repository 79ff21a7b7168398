import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { bundleOnce } from '../../support/program'

const script = fileURLToPath(new URL('./hold-store.ts', import.meta.url))

/** Another process that has a database open for writing, with one row saved; killed after the test. */
export class StoreHolder {
  private constructor(private readonly child: ChildProcess) {}

  static async start(memoryName: string, path: string): Promise<StoreHolder> {
    const child = spawn(process.execPath, [await bundleOnce(script), memoryName, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const holder = new StoreHolder(child)
    onTestFinished(() => holder.kill())
    const [text] = (await once(child.stdout!, 'data')) as [Buffer]
    if (String(text).trim() !== 'held') throw new Error(`the other process said ${text}`)
    return holder
  }

  get pid(): number {
    return this.child.pid!
  }

  /** SIGKILL: the process has no chance to release anything. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }
}
