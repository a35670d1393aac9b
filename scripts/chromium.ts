/** Finds (on Debian as root: installs) a Chromium-family browser, and says how to start it with WebGPU. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What a user reads where no browser is found: one line, with the way out. */
export const NO_BROWSER =
  'No Chromium, Chrome or Edge found: install one (Debian: apt-get install chromium) or set CHROMIUM_PATH.';

const LINUX_NAMES = [
  'chromium',
  'chromium-browser',
  'google-chrome-stable',
  'google-chrome',
  'microsoft-edge-stable',
  'microsoft-edge',
];

const LINUX_PATHS = ['/opt/google/chrome/chrome', '/opt/microsoft/msedge/msedge', '/snap/bin/chromium'];

const MAC_PATHS = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
];

/** Calm headless start: no first-run page, no background traffic (nothing may leave the device). */
const QUIET_FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const WEBGPU_FLAGS = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--ignore-gpu-blocklist'];

/**
 * Without a display Linux has no GL of its own for the browser's other drawing, and Chromium then takes its emulation for
 * WebGPU as well, whatever card there is (seen with an NVIDIA card's driver): Vulkan for all of it.
 */
const VULKAN_FLAGS = process.platform === 'linux' ? ['--use-angle=vulkan', '--disable-vulkan-surface'] : [];

/** NET_LOG=FILE makes Chromium write down every request it makes, for those who want to see that none leaves. */
const netLog = (): string[] => (process.env.NET_LOG ? [`--log-net-log=${process.env.NET_LOG}`] : []);

/**
 * Keeps the whole browser, its own sign-in, update and autofill services included, from every host but these: names
 * of others are not even looked up.
 */
export const onlyHosts = (...hosts: string[]): string => hostRules(only(hosts));

const only = (hosts: readonly string[]): string[] => [
  'MAP * ~NOTFOUND',
  ...hosts.map((host) => `EXCLUDE ${host}`),
];

/** Finds one host elsewhere, 'HOST ADDRESS:PORT', and others as usual, or not at all. */
export function mappedHost(mapping: string, alone: boolean): string {
  const [, address = ''] = mapping.split(' ');
  return hostRules([`MAP ${mapping}`, ...(alone ? only([address.replace(/:.*/, '')]) : [])]);
}

const hostRules = (rules: readonly string[]): string => `--host-resolver-rules=${rules.join(', ')}`;

export type Gpu = 'hardware' | 'software' | 'none';

/**
 * Flags of a headless browser. 'software' is WebGPU over SwiftShader, a CPU emulation: right, but slow;
 * it is what the tests use everywhere, so that they see the same adapter on every machine.
 */
export function chromiumFlags(gpu: Gpu): string[] {
  switch (gpu) {
    case 'none':
      return [...QUIET_FLAGS, ...netLog(), '--disable-gpu'];
    case 'hardware':
      return [...QUIET_FLAGS, ...netLog(), ...WEBGPU_FLAGS, ...VULKAN_FLAGS];
    case 'software':
      return [...QUIET_FLAGS, ...netLog(), ...WEBGPU_FLAGS, '--use-webgpu-adapter=swiftshader'];
  }
}

/** Whether the machine shows a GPU device at all. Only on Linux is there a cheap way to tell. */
export function hasGpu(): boolean {
  if (process.platform !== 'linux') return true;
  if (existsSync('/dev/nvidia0') || existsSync('/dev/dxg')) return true;
  try {
    return readdirSync('/dev/dri').some((name) => name.startsWith('renderD'));
  } catch {
    return false;
  }
}

/** Path of a browser on this machine, or null. CHROMIUM_PATH wins, and is an error where it is wrong. */
export function findChromium(): string | null {
  const wanted = process.env.CHROMIUM_PATH;
  if (wanted) {
    if (!executable(wanted)) throw new Error(`CHROMIUM_PATH is ${wanted}, which is no executable file.`);
    return wanted;
  }
  if (process.platform === 'darwin') return MAC_PATHS.find(executable) ?? null;
  const folders = (process.env.PATH ?? '').split(delimiter).concat('/usr/bin', '/usr/local/bin');
  for (const name of LINUX_NAMES) {
    for (const folder of folders) {
      if (folder && executable(join(folder, name))) return join(folder, name);
    }
  }
  return LINUX_PATHS.find(executable) ?? null;
}

/** Path of a browser; as root on Debian one is installed first where there is none. */
export function ensureChromium(log: (line: string) => void = console.error): string {
  const found = findChromium();
  if (found !== null) return found;
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !executable('/usr/bin/apt-get')) {
    throw new Error(NO_BROWSER);
  }
  log('No browser found: installing chromium with apt-get (once) ...');
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    const result = spawnSync('apt-get', args, {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (result.status !== 0) {
      const reason = (result.stderr ?? '').trim().split('\n').at(-1) ?? '';
      throw new Error(`${NO_BROWSER} (apt-get ${args[0]} failed: ${reason})`);
    }
  }
  const installed = findChromium();
  if (installed === null) throw new Error(NO_BROWSER);
  return installed;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
