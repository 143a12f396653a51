"""`pet doctor`: looks at the machine, the settings and every engine that they name, and says what to mend and how."""
