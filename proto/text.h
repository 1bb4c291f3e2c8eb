/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text that others have said, as it may be shown to people and stand in JSON:
 * valid UTF-8 (RFC 3629) without control characters.
 */
#ifndef STATESYNC_TEXT_H
#define STATESYNC_TEXT_H

/*
 * A control character (C0, DEL, C1), and what is no UTF-8, becomes one "?". A
 * character that is not whole at the end was cut, and goes. The text does not
 * get longer.
 */
void text_clean(char *text);

#endif
