/** What stops a device, and what may be done about it. */
import { AdvisedError } from '../model/advised.ts';

/** The device can't go on (lost, out of memory); what was read back or stored before is safe. */
export class DeviceError extends AdvisedError {
  override name: string = 'DeviceError';
}

/**
 * The GPU device went away (driver reset, sleep, a crashed GPU process). Its buffers are gone, and onnxruntime
 * keeps what it made of them: only a fresh worker has a sound one. What was stored before is safe.
 */
export class DeviceLostError extends DeviceError {
  override name = 'DeviceLostError';
}

/** A failure of a call on the GPU, with the way out. */
export function driverError(error: unknown): DeviceError {
  if (error instanceof DeviceError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new DeviceError(`the graphics driver failed (${why})`, { offer: 'wasm', cause: error });
}
