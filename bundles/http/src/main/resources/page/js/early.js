// Runs before anything is drawn, so that a chosen theme does not flash.
'use strict';
{
    let theme = null;
    try {
        theme = localStorage.getItem('blktap.theme');
    } catch {
        // storage is switched off: the system's theme
    }
    if (theme === 'light' || theme === 'dark') {
        document.documentElement.dataset.theme = theme;
    }
}
