/* The program of a generated project: serves the network over the serial line. */
#include "hal.h"
#include "mcu_model.h"
#include "mcu_server.h"

int main(void) {
    hal_init();
    hal_stack_paint();
    const int status = mcu_serve(&mcu_gen_model);
    hal_exit(status);
    return status;
}
