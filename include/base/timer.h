/* Wall-clock time. */
#ifndef AE_BASE_TIMER_H
#define AE_BASE_TIMER_H

/* Seconds from an arbitrary start, monotonic. Local, safe in threads. */
double ae_now_s(void);

/* Writes local time with UTC offset, "2026-01-31T12:00:00+0100". */
void ae_time_text(char text[32]);

#endif
