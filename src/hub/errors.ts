/** What goes wrong between this page and a model hub. The names are what is left of them behind a worker. */
import { InputError } from '../model/text.ts';

export class HubError extends InputError {
  override name = 'HubError';
}

/** 401 or 403: the model is gated or private, or does not exist and the hub does not say so. */
export class HubTokenError extends HubError {
  override name = 'HubTokenError';
}

/** 404: the id, the revision or a file. */
export class HubMissingError extends HubError {
  override name = 'HubMissingError';
}

/** The hub did not answer. */
export class HubOfflineError extends HubError {
  override name = 'HubOfflineError';
}
