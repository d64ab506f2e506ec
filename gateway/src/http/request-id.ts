/** A client's own request id that is taken over; any other is replaced by one that is made up. */
export const requestIdPattern = /^[A-Za-z0-9_.-]{1,128}$/;
