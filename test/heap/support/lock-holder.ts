import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { bundleOnce } from '../../support/bundle-once'

const script = fileURLToPath(new URL('./hold-lock.ts', import.meta.url))

/**
 * Another process that takes locks on request; killed after the test. `within` is a command that runs it elsewhere,
 * like `unshare`.
 */
export class LockHolder {
  private readonly answers: AsyncIterator<string>

  private constructor(private readonly child: ChildProcess) {
    this.answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    onTestFinished(() => this.kill())
  }

  static async start(memoryName: string, within: readonly string[] = []): Promise<LockHolder> {
    const [command, ...args] = [...within, process.execPath, await bundleOnce(script), memoryName]
    return new LockHolder(spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] }))
  }

  get pid(): number {
    return this.child.pid!
  }

  /** `held`, or the code of the error. */
  async lock(path: string): Promise<string> {
    return (await this.answerTo(path)).split(' ')[0]
  }

  /** `held`, or the code and the message of the error. */
  async answerTo(path: string): Promise<string> {
    return this.order(`lock ${path}`)
  }

  async release(): Promise<void> {
    await this.order('release')
  }

  /** SIGKILL: the process has no chance to release anything. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }

  private async order(line: string): Promise<string> {
    this.child.stdin!.write(`${line}\n`)
    return (await this.answers.next()).value
  }
}
