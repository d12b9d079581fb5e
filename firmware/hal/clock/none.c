/* Boards whose clock needs no setting up (emulators). */
#include "hal_port.h"

void hal_clock_init(void) {}
