/* Serves a network over the serial line: every request of firmware/link/mcu_messages.h. */
#ifndef MCU_SERVER_H
#define MCU_SERVER_H

#include "mcu_model.h"

/* Answers requests until EXIT; returns the status that EXIT carried. */
int mcu_serve(const mcu_model *model);

#endif
